// Dropout: in training each value is set to zero with probability p and the others are divided by 1 - p;
// otherwise the identity. N. Srivastava et al., "Dropout", JMLR 15, 2014 (in its inverted form).
#pragma once

#include "models/layers/layer.hpp"

namespace fedloom {

/// `rate` in [0, 1) is p; 0 costs nothing. Training needs ForwardOptions::random.
LayerRecipe dropout(double rate);

}  // namespace fedloom
