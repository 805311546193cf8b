// The pointwise half of a long short-term memory: gates, cell and hidden state of one step, and their
// gradients. The products with the weights are the layer's (models/layers/lstm.cpp). S. Hochreiter and J.
// Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997, with the forget gate of F. Gers et
// al., 2000.
#pragma once

#include <cstddef>

namespace fedloom {

/// One step of `rows` examples with `hidden` units each. Gates are (rows, 4 hidden) in the order input,
/// forget, candidate, output; all other arrays are (rows, hidden). Nothing overlaps.
struct LstmCell {
  std::size_t rows;
  std::size_t hidden;
};

/// gates := their activations, given the products with the weights, to which both biases (4 hidden) are added
/// first. cell and state of this step follow, from the cell before (nullptr: zeros).
void lstm_cell(const LstmCell& form, const float* bias_ih, const float* bias_hh, const float* cell_before,
               float* gates, float* cell, float* state);

/// What backward reads of the step, as lstm_cell left it.
struct LstmCellKept {
  const float* gates;
  const float* cell_before;  // nullptr: zeros
  const float* cell;
};

/// Given d_state and, from the step after this one, d_cell: d_gates := the gradient before the activations,
/// `stride` floats (at least 4 hidden) from row to row; d_cell := the gradient of the cell before.
void lstm_cell_backward(const LstmCell& form, const LstmCellKept& kept, const float* d_state, float* d_cell,
                        float* d_gates, std::size_t stride);

}  // namespace fedloom
