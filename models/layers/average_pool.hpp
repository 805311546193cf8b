// Average pooling of image planes: over windows, or over the whole plane.
// Max-pooling is elsewhere: max_pool.hpp.
#pragma once

#include "models/layers/layer.hpp"
#include "models/layers/pool_window.hpp"

namespace fedloom {

/// The mean of each window of an input (channels, height, width), padding counted as zeros.
LayerRecipe average_pool(PoolOptions options);
/// The mean of each plane: (channels, height, width) to (channels).
LayerRecipe global_average_pool();

}  // namespace fedloom
