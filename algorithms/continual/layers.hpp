// The layers whose input space a method can protect: dense layers and convolutions, each a matrix that is
// applied to its inputs. Which inputs those are is sketch.hpp, what is done with them basis.hpp.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/layout.hpp"

namespace fedloom::subspace {

/// y = W x for every input x of the layer: its features, or the patch under the kernel in the order (channel,
/// kernel row, kernel column).
struct ProtectedLayer {
  std::string name;  // as LayerObserver gives it: the slice without ".weight"
  Slice weight;      // (outputs, inputs) or (outputs, channels, kernel, kernel)
  std::size_t outputs = 0;
  std::size_t inputs = 0;

  bool convolves() const { return weight.shape.size() == 4; }
  std::string slot(const char* kind) const { return std::string(kind) + "." + name; }
};

/// Layers with a trained "NAME.weight" of two or four extents whose name fits one of the patterns, in the
/// order of the layout. `without_last`: but for the last layer of the model, whose rows are heads of stages.
std::vector<ProtectedLayer> protected_layers(const Layout& layout, const std::vector<std::string>& patterns,
                                             bool without_last);
/// The name of the model's last such layer, whatever the patterns; "" when there is none.
std::string last_layer(const Layout& layout);
/// Throws UserError when `layers` is empty: then `strategy` would protect nothing.
void check_layers(const std::vector<ProtectedLayer>& layers, const std::vector<std::string>& patterns,
                  const std::string& strategy);

}  // namespace fedloom::subspace
