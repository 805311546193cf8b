// A residual block: what a branch of layers makes of its input, plus the input itself or a shortcut of it. K.
// He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, equation 1.
#pragma once

#include <string>
#include <vector>

#include "models/layers/layer.hpp"

namespace fedloom {

/// y = branch(x) + shortcut(x), then max(., 0) when `relu`. An empty shortcut is the identity. Throws
/// UserError when the two shapes differ.
LayerRecipe residual(std::string name, std::vector<LayerRecipe> branch,
                     std::vector<LayerRecipe> shortcut = {}, bool relu = false);

/// The shortcut of option A: every second pixel of each plane, x[:, ::2, ::2], and as many zero planes before
/// as after until there are `channels`. Has no parameters.
LayerRecipe option_a_shortcut(std::int64_t channels);

}  // namespace fedloom
