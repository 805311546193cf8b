// Layers as people write them in YAML: a registry of their kinds, and the reading of a list of them. The
// model `sequential` is such a list, and a residual block holds two. A layer of a new kind registers itself
// with LayerRegistration; nothing else has to know of it.
#pragma once

#include <functional>
#include <string>
#include <type_traits>
#include <vector>

#include "core/data_spec.hpp"
#include "core/registry.hpp"
#include "models/layers/layer.hpp"

namespace fedloom {

/// What a layer is told about where it stands.
struct LayerPlace {
  std::string name;      // its slices are NAME.weight, …; inside a block "block1.conv1"
  const DataSpec& data;  // what the whole model is for
  bool relu = false;     // do the ReLU that follows; only when melts() allows it
  bool pool = false;     // and then the 2x2 max-pooling
};

/// How a layer melts with its neighbours: a convolution does the ReLU and the pooling behind it on the way.
struct Melting {
  bool takes_relu = false;
  bool takes_pool = false;
  bool is_relu = false;
  bool is_pool = false;  // 2x2, stride 2
};

/// A layer of the list, its settings read.
struct WrittenLayer {
  std::string stem;  // automatic names are this and a number: conv1, conv2; "": it has no slices to name
  Melting melting;
  std::function<LayerRecipe(const LayerPlace&)> build;
};

using LayerRegistry = Registry<WrittenLayer>;

/// The recipes of a written list. The first setting of a layer may be given by itself: `dropout: 0.5`. A
/// layer with slices may be given a `name`. Names are put behind `prefix`. Throws UserError with file, line
/// and column; also later, when a shape does not fit.
std::vector<LayerRecipe> written_layers(const std::vector<StepSpec>& steps, const DataSpec& data,
                                        const std::string& prefix = "");

/// Gives every layer of the list all its settings, defaults included. Throws as above for unknown ones.
void resolve_layers(std::vector<StepSpec>& steps);

/// Visits a struct and resolves the lists of layers in it.
struct LayerResolver {
  template <class T>
  void operator()(const char*, T& member, const char*, const Bounds& = {}) {
    if constexpr (std::is_same_v<T, std::vector<StepSpec>>) resolve_layers(member);
  }
  void alias(const char*, const char*) {}
};

/// Settings from YAML with every default written out, in lists of layers too.
template <class Config>
std::string resolved_with_layers(const ConfigNode& settings) {
  auto config = read_config<Config>(settings);
  LayerResolver resolver;
  config.visit(resolver);
  return write_config(config);
}

/// Registers a kind of layer: `make(const Config&, const LayerPlace&)` gives its recipe.
template <class Config>
struct LayerRegistration {
  template <class Make>
  LayerRegistration(
      About about, const char* stem, Make make,
      Melting (*melting)(const Config&) = [](const Config&) { return Melting{}; }) {
    LayerRegistry::instance().add({std::move(about), config_docs<Config>(),
                                   [=](const ConfigNode& settings) {
                                     const auto config = read_config<Config>(settings);
                                     return WrittenLayer{stem, melting(config), [=](const LayerPlace& place) {
                                                           return make(config, place);
                                                         }};
                                   },
                                   resolved_with_layers<Config>});
  }
};

}  // namespace fedloom
