// Registered models at sizes that tests can afford, each with a form of data that it accepts.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "core/error.hpp"
#include "models/model.hpp"

namespace fedloom::testing {

struct FittingModel {
  std::unique_ptr<Model> model;  // nullptr: accepts none of the forms that are known here
  DataSpec spec;
};

/// The model called `name` for 4 classes on the first that it accepts of a few small forms: flat features,
/// images, token sequences. What holds at any width is tested small. `settings` in YAML, "" for small ones.
inline FittingModel model_with_data(const std::string& name, std::string settings = "") {
  static const std::map<std::string, std::string> kSmall = {
      {"alexnet", "hidden: 24"},
      {"mlp_mixer", "{dim: 12, depth: 2, token_hidden: 6, channel_hidden: 20}"},
      {"resnet", "{depth: 8, norm: group}"},
      {"resnet18", "width: 4"},
      {"text_transformer", "{dim: 12, depth: 2, heads: 2}"},
      {"vit", "{dim: 24, depth: 2, heads: 3}"},
      {"sequential",
       "layers: [{conv2d: {channels: 4, padding: 1, bias: false}}, {group_norm: 2}, relu, "
       "{residual: [{conv2d: {channels: 4, padding: 1}}]}, relu, {dropout: 0.2}, "
       "{max_pool: {kernel: 3, stride: 2, padding: 1}}, gelu, {average_pool: {kernel: 2, stride: 1}}, tanh, "
       "flatten, {dense: 5}, sigmoid, dense]"}};
  if (const auto small = kSmall.find(name); settings.empty() && small != kSmall.end())
    settings = small->second;
  const ConfigNode node = settings.empty() ? ConfigNode() : ConfigNode::from_text(settings, "settings");
  for (const DataSpec& spec : {DataSpec{{9}, 4, 0}, DataSpec{{2, 8, 8}, 4, 0}, DataSpec{{1, 16, 16}, 4, 0},
                               DataSpec{{3, 32, 32}, 4, 0}, DataSpec{{7}, 4, 20}}) {
    try {
      return {ModelRegistry::instance().find(name, "model").make(node, spec), spec};
    } catch (const UserError&) {
      // Not this form; another is tried.
    }
  }
  return {};
}

}  // namespace fedloom::testing
