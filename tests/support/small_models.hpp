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
/// images, token sequences. What holds at any width is tested small.
inline FittingModel model_with_data(const std::string& name) {
  static const std::map<std::string, std::string> kSmall = {
      {"alexnet", "hidden: 24"}, {"resnet", "{depth: 8, norm: group}"}, {"resnet18", "width: 4"}};
  const auto small = kSmall.find(name);
  const ConfigNode settings =
      small == kSmall.end() ? ConfigNode() : ConfigNode::from_text(small->second, "settings");
  for (const DataSpec& spec : {DataSpec{{9}, 4, 0}, DataSpec{{2, 8, 8}, 4, 0}, DataSpec{{1, 16, 16}, 4, 0},
                               DataSpec{{3, 32, 32}, 4, 0}, DataSpec{{7}, 4, 20}}) {
    try {
      return {ModelRegistry::instance().find(name, "model").make(settings, spec), spec};
    } catch (const UserError&) {
      // Not this form; another is tried.
    }
  }
  return {};
}

}  // namespace fedloom::testing
