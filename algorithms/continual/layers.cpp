// Picking weights out of a layout.
#include "algorithms/continual/layers.hpp"

#include <algorithm>

#include <fmt/ranges.h>

#include "core/error.hpp"
#include "models/adapters/adaptation.hpp"

namespace fedloom::subspace {

std::vector<ProtectedLayer> protected_layers(const Layout& layout, const std::vector<std::string>& patterns,
                                             bool without_last) {
  constexpr std::string_view kEnding = ".weight";
  std::vector<ProtectedLayer> layers;
  for (const Slice& slice : layout.slices()) {
    const bool is_matrix = slice.shape.size() == 2 || slice.shape.size() == 4;
    // What an adapter's factors see is no input of the layer that they adapt.
    if (slice.role != Role::trained || !is_matrix || !slice.name.ends_with(kEnding) ||
        slice.name.find(".lora_") != std::string::npos)
      continue;
    ProtectedLayer& layer = layers.emplace_back();
    layer.name = slice.name.substr(0, slice.name.size() - kEnding.size());
    layer.weight = slice;
    layer.outputs = static_cast<std::size_t>(slice.shape[0]);
    layer.inputs = slice.size / layer.outputs;
  }
  if (without_last && !layers.empty()) layers.pop_back();
  std::erase_if(layers, [&](const ProtectedLayer& layer) {
    return std::none_of(patterns.begin(), patterns.end(),
                        [&](const std::string& pattern) { return fits(pattern, layer.name); });
  });
  return layers;
}

std::string last_layer(const Layout& layout) {
  const std::vector<ProtectedLayer> all = protected_layers(layout, {"*"}, false);
  return all.empty() ? "" : all.back().name;
}

void check_layers(const std::vector<ProtectedLayer>& layers, const std::vector<std::string>& patterns,
                  const std::string& strategy) {
  if (layers.empty())
    throw user_error(
        "strategy {} protects dense and convolutional layers whose weights are trained, and of this model "
        "none fits "
        "strategy.sketch.layers: [{}]",
        strategy, fmt::join(patterns, ", "));
}

}  // namespace fedloom::subspace
