// A model that is a list of layers, run in order forward and in reverse backward. Activations, the gradients
// between layers and shared scratch lie in one arena per workspace, allocated up front.
#pragma once

#include <memory>
#include <vector>

#include "models/layers/layer.hpp"
#include "models/model.hpp"

namespace fedloom {

/// The model of these layers for examples of the context's shape, adapted as the context says. The last
/// layer's outputs are the logits. Throws UserError when a layer does not fit what reaches it, or the
/// adaptation fits no layer.
std::unique_ptr<Model> sequential(const ModelContext& context, const std::vector<LayerRecipe>& layers);

}  // namespace fedloom
