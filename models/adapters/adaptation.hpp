// How a model is adapted instead of trained whole: which layers carry an adapter, and what is trained beside
// it. A value that travels with the settings of a model; the layers read it while the model is built.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fedloom {

/// Patterns are slice or layer names in which '*' stands for any characters; "head" also means "head.*".
struct Adaptation {
  enum class Method : std::uint8_t {
    none,    // everything is trained
    freeze,  // only what `train` names: linear probing and partial fine-tuning
    lora,    // low-rank factors beside dense layers. Hu et al., ICLR 2022
    ssf,     // a scale and a shift per output feature. Lian et al., NeurIPS 2022
    prompt,  // learned tokens in front of the sequence. Jia et al., ECCV 2022; Lester et al., EMNLP 2021
  };

  Method method = Method::none;
  std::vector<std::string> targets = {};  // layers with an adapter (lora, ssf)
  std::vector<std::string> train = {};    // slices that are trained beside the adapter, usually the head
  std::vector<std::string> frozen = {};   // slices that are not, whatever else holds
  std::int64_t rank = 4;                  // lora: >= 1
  double alpha = 8.0;                     // lora: the product of the factors is scaled by alpha / rank
  double dropout = 0.0;                   // lora: of the adapter's input, in [0, 1)
  std::string initializer = "kaiming_uniform";  // lora: of the first factor; the second starts at zero
  std::int64_t tokens = 8;                      // prompt: >= 1

  bool adapts() const { return method != Method::none; }
  /// Whether the layer called `name` carries an adapter of this method.
  bool targets_layer(Method method, std::string_view name) const;
  /// Whether a slice that belongs to the base (not to an adapter) is trained.
  bool trains_slice(std::string_view name) const;
  /// Whether a slice of the adapter is trained: unless it is frozen.
  bool trains_adapter(std::string_view name) const;
};

/// Whether `name` fits `pattern`: '*' stands for any run of characters, and a pattern without it also fits
/// everything below it ("head" fits "head.weight").
bool fits(std::string_view pattern, std::string_view name);

}  // namespace fedloom
