// 2x2 max-pooling and flattening as layers of their own.
// Convolutions fuse the pooling that follows them; there it is not needed.
#pragma once

#include "models/layers/layer.hpp"

namespace fedloom {

/// The largest of each 2 x 2 window, stride 2; an odd last row or column is dropped. Input (channels, height,
/// width), height and width >= 2. The first largest in reading order takes the gradient.
LayerRecipe max_pool2x2();
/// The same values as one row, in (channel, row, column) order. Costs nothing.
LayerRecipe flatten();

}  // namespace fedloom
