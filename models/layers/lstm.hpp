// Stacked long short-term memories over a sequence, trained by backpropagation through all its steps.
// Not bidirectional and without dropout between levels: character models have neither.
#pragma once

#include <cstdint>
#include <string>

#include "models/layers/layer.hpp"

namespace fedloom {

struct LstmOptions {
  std::int64_t hidden;      // H >= 1, units of each level
  std::int64_t levels = 1;  // >= 1; each reads the states of the one below
  bool last_only = false;   // give the top's state after the last step alone
};

/// (T, I) to (T, H), or to (H) with last_only: states of the top level, from zeros before the first step.
/// Slices of level k as PyTorch's nn.LSTM has them, gates in the order input, forget, candidate, output:
/// NAME.weight_ih_lk (4 H, I or H), NAME.weight_hh_lk (4 H, H), NAME.bias_ih_lk and NAME.bias_hh_lk (4 H),
/// from U(-a, a), a = 1 / sqrt(H). The mask of a batch is not read: sequences are full, or padded in front.
/// Throws UserError for an input that is no sequence.
LayerRecipe lstm(std::string name, LstmOptions options);

}  // namespace fedloom
