// From a sequence to what the head of a model sees: one vector per example, without the padding, or those at
// the positions to be predicted.
#pragma once

#include <cstddef>

#include "models/layers/layer.hpp"

namespace fedloom {

/// (T, D) to (D): the mean over the positions after the first `skip`, of which batch.mask covers all;
/// positions whose mask is 0 do not count. An example without any real position gives zeros.
LayerRecipe mean_positions(std::size_t skip = 0);
/// (T, D) to (D): position 0, where a class token stands.
LayerRecipe first_position();
/// (T, D) to (count, D): the positions of Batch::places, counted behind the first `skip`. The batch must have
/// `count` of them for each example, not outside the sequence.
LayerRecipe chosen_positions(std::int64_t count, std::size_t skip = 0);

}  // namespace fedloom
