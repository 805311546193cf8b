// Elementwise nonlinearities as layers of their own.
// Dense layers and convolutions fuse the ReLU that follows them; there these are not needed.
#pragma once

#include "models/layers/layer.hpp"

namespace fedloom {

/// max(x, 0).
LayerRecipe relu();
/// x Phi(x) with the normal distribution function Phi. Hendrycks, Gimpel, "Gaussian Error Linear Units",
/// arXiv:1606.08415, 2016.
LayerRecipe gelu();
LayerRecipe tanh_layer();
/// 1 / (1 + exp(-x)).
LayerRecipe sigmoid();

}  // namespace fedloom
