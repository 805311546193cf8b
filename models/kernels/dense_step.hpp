// The backward pass of a dense layer joined with plain SGD: the input's gradient and the new weights in one pass
// over the weights, without writing a gradient.
#pragma once

#include <cstddef>

namespace fedloom {

/// R rows, I inputs, O outputs, all >= 1; matrices row-major and dense, none overlapping another.
struct DenseStep {
  std::size_t rows;     // R
  std::size_t inputs;   // I
  std::size_t outputs;  // O
  const float* x;       // (R, I)
  const float* dy;      // (R, O)
  float* weight;        // W (O, I)
  float* dx;            // (R, I), or nullptr when it is not wanted
  float rate;           // learning rate
};

/// dx := dy W with the old W, then W -= rate dy^T x. Sums run over O and R in order: the same bits on every
/// vector width that multiplies and adds in one rounding.
void dense_step(const DenseStep& step);

}  // namespace fedloom
