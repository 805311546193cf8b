// Average pooling of image planes: over windows, or over the whole plane.
// Max-pooling is elsewhere: pooling.hpp.
#pragma once

#include "models/layers/layer.hpp"

namespace fedloom {

/// The mean of each kernel x kernel window, stride = kernel; rows and columns that fill no window are
/// dropped. Input (channels, height, width). Throws UserError when a plane is smaller than the window.
LayerRecipe average_pool(std::int64_t kernel);
/// The mean of each plane: (channels, height, width) to (channels).
LayerRecipe global_average_pool();

}  // namespace fedloom
