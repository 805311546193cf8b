// Multi-head self-attention over a sequence, alone or as the first half of a pre-norm transformer block.
// The products of one head are in attention_core.hpp.
#pragma once

#include <cstddef>
#include <string>

#include "models/layers/layer.hpp"

namespace fedloom {

struct AttentionOptions {
  std::int64_t heads;     // >= 1, divides the features
  std::string norm = "";  // layer norm of the input, slices under this name; empty: none
  bool residual = false;  // y = x + attention(norm(x))
  double dropout = 0.0;   // of what is added, in [0, 1)
  /// Leading positions that are always real; batch.mask covers the positions after them.
  std::size_t prefix = 0;
  /// Only the first position asks: (T, D) to (1, D). All that a class token needs of the last block.
  bool first_only = false;
};

/// (T, D) to (T, D). Slices NAME.query.weight, NAME.key.weight, NAME.value.weight (D, D), the three biases
/// (D), then NAME.proj.weight (D, D) and NAME.proj.bias (D); adapters may target NAME.query, NAME.key,
/// NAME.value and NAME.proj. Positions whose mask is 0 are no keys. Weights start from N(0, 0.02) cut at two
/// deviations. Throws UserError when the heads do not divide the features.
LayerRecipe attention(std::string name, AttentionOptions options);

}  // namespace fedloom
