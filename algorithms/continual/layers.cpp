// Picking weights out of a layout.
#include "algorithms/continual/layers.hpp"

#include <algorithm>

#include "models/adapters/adaptation.hpp"

namespace fedloom::subspace {

std::vector<ProtectedLayer> protected_layers(const Layout& layout, const std::vector<std::string>& patterns,
                                             bool without_last) {
  constexpr std::string_view kEnding = ".weight";
  std::vector<ProtectedLayer> layers;
  for (const Slice& slice : layout.slices()) {
    const bool is_matrix = slice.shape.size() == 2 || slice.shape.size() == 4;
    if (slice.role != Role::trained || !is_matrix || !slice.name.ends_with(kEnding)) continue;
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

}  // namespace fedloom::subspace
