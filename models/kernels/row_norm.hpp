// Kernels of layer normalisation: rows of `width` values, each made to have mean 0 and variance 1.
// Each row is one position of one example; what the scale and shift are is the caller's business.
#pragma once

#include <cstddef>

namespace fedloom {

struct NormRows {
  std::size_t count;
  std::size_t width;
};

/// y := (x - mean) * rstd * scale + shift for each row, rstd = 1 / sqrt(variance + epsilon), variance over
/// all `width` values. moments (count, 2) := mean and rstd. y may be x.
void normalize_rows(const NormRows& rows, const float* x, const float* scale, const float* shift,
                    float epsilon, float* y, float* moments);

/// Where a backward pass writes; nullptr where nothing is wanted.
struct NormGradients {
  float* x = nullptr;      // (count, width)
  float* scale = nullptr;  // (width), added to; with `shift` or not at all
  float* shift = nullptr;  // (width), added to
};

/// The gradients of normalize_rows, given dy (count, width) and what forward saw.
void normalize_rows_backward(const NormRows& rows, const float* x, const float* scale, const float* moments,
                             const float* dy, const NormGradients& gradients);

}  // namespace fedloom
