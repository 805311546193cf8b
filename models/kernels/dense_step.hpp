// The backward pass of a dense layer joined with plain SGD: the input's gradient and the new weights in one
// pass over the weights, without writing a gradient.
#pragma once

#include <cstddef>

#include "models/kernels/instruction_set.hpp"

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

/// dx := dy W with the old W, then W := W - rate (dy^T x). Bit for bit what gemm_backend::outer for both
/// products and then add_scaled give.
void dense_step(const DenseStep& step, InstructionSet set = instruction_set());

}  // namespace fedloom
