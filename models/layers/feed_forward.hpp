// Two dense layers with a GELU between them, position by position, alone or as the second half of a pre-norm
// block; across positions it mixes tokens. A block of rows goes through both products while it is in the
// cache.
#pragma once

#include <string>

#include "models/layers/layer.hpp"

namespace fedloom {

struct FeedForwardOptions {
  std::int64_t hidden;    // >= 1
  std::string norm = "";  // layer norm of the input, slices under this name; empty: none
  bool residual = false;  // y = x + mlp(norm(x))
  double dropout = 0.0;   // of what is added, in [0, 1)
  /// Each feature's row of T positions goes through the layers instead of each position's row of D features.
  /// I. Tolstikhin et al., "MLP-Mixer: An all-MLP Architecture for Vision", NeurIPS 2021.
  bool across_positions = false;
};

/// (T, D) to (T, D). Slices NAME.fc1.weight (hidden, D), NAME.fc1.bias, NAME.fc2.weight (D, hidden),
/// NAME.fc2.bias, T in place of D when across_positions; adapters may target NAME.fc1 and NAME.fc2. Weights
/// start from N(0, 0.02) cut at two deviations.
LayerRecipe feed_forward(std::string name, FeedForwardOptions options);

}  // namespace fedloom
