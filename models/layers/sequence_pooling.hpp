// From a sequence to one vector per example.
// What the head of a classifier sees; padding is left out.
#pragma once

#include <cstddef>

#include "models/layers/layer.hpp"

namespace fedloom {

/// (T, D) to (D): the mean over the positions after the first `skip`, of which batch.mask covers all;
/// positions whose mask is 0 do not count. An example without any real position gives zeros.
LayerRecipe mean_positions(std::size_t skip = 0);
/// (T, D) to (D): position 0, where a class token stands.
LayerRecipe first_position();

}  // namespace fedloom
