// Max-pooling of image planes over windows of any size.
// The 2x2 windows that follow a convolution are fused into it: models/layers/conv2d.hpp.
#pragma once

#include "models/layers/layer.hpp"
#include "models/layers/pool_window.hpp"

namespace fedloom {

/// The largest of each window of an input (channels, height, width). The first largest in reading order takes
/// the gradient; NaN is the largest of all. Plain 2x2 windows take a faster way with the same result.
LayerRecipe max_pool(PoolOptions options);

}  // namespace fedloom
