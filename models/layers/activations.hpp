// Elementwise nonlinearities as layers of their own, for models that do not fuse them into the layer before.
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
