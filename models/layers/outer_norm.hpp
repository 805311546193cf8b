// Norms of per-example gradients that are sums of outer products, without making the gradient: what ghost
// clipping rests on. Li et al., "Large Language Models Can Be Strong Differentially Private Learners", ICLR
// 2022, arXiv:2110.05679, section 4.
#pragma once

#include <cstddef>

namespace fedloom {

/// The matrix G = sum over T rows of dy_t x_t^T, for x (T, I) and dy (T, O).
struct OuterSum {
  std::size_t rows;     // T
  std::size_t inputs;   // I
  std::size_t outputs;  // O
};

/// Floats of scratch that outer_square_norm needs.
std::size_t outer_norm_scratch(const OuterSum& form);
/// |G|^2, by whichever is smaller: G itself, or the two (T, T) matrices of inner products.
double outer_square_norm(const OuterSum& form, const float* x, std::size_t x_stride, const float* dy,
                         std::size_t dy_stride, float* scratch);

}  // namespace fedloom
