// A model that is a list of layers, run in order forward and in reverse backward. Activations of all layers,
// the gradients between them and shared scratch lie in one arena per workspace, allocated up front.
#pragma once

#include <memory>
#include <vector>

#include "models/layers/layer.hpp"
#include "models/model.hpp"

namespace fedloom {

/// The model of these layers on examples of shape `input`. The last layer's outputs are the logits. Throws
/// UserError when a layer does not fit what reaches it.
std::unique_ptr<Model> sequential(const Shape& input, const std::vector<LayerRecipe>& layers);

}  // namespace fedloom
