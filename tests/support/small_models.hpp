// Registered models at sizes that tests can afford, each with a form of data that it accepts: the one list of
// such settings, for all suites that walk the registry.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "models/model.hpp"

namespace fedloom::testing {

struct SmallForm {
  std::string model;
  std::string settings;  // YAML
  DataSpec form = {};    // of its data; without a shape, the first form that the model accepts
};

/// Under a registered model's own name the settings that make it small (models that are not here are small by
/// themselves); under any other name a variant, whose settings change which layers a model is made of.
inline const std::map<std::string, SmallForm>& small_forms() {
  static const std::map<std::string, SmallForm> kForms = {
      {"alexnet", {"alexnet", "hidden: 24"}},
      {"char_lstm", {"char_lstm", "{embedding: 5, hidden: 12}"}},
      {"mlp_mixer", {"mlp_mixer", "{dim: 12, depth: 2, token_hidden: 6, channel_hidden: 20}"}},
      {"resnet", {"resnet", "{depth: 8, norm: group}"}},
      {"resnet_with_batch_norm", {"resnet", "{depth: 8, norm: batch}"}},
      {"resnet18", {"resnet18", "width: 4"}},
      {"text_transformer", {"text_transformer", "{dim: 12, depth: 2, heads: 2}"}},
      {"text_transformer_of_hidden_tokens",
       {"text_transformer",
        "{dim: 12, depth: 1, heads: 2}",
        {.shape = {7}, .classes = 4, .vocabulary = 20, .predictions = 2}}},
      {"vit", {"vit", "{dim: 24, depth: 2, heads: 3}"}},
      {"vit_with_mean", {"vit", "{dim: 12, depth: 1, heads: 2, pool: mean, dropout: 0.2}"}},
      {"sequential",
       {"sequential",
        "layers: [{conv2d: {channels: 4, padding: 1, bias: false}}, {group_norm: 2}, relu, "
        "{residual: [{conv2d: {channels: 4, padding: 1}}]}, relu, {dropout: 0.2}, "
        "{max_pool: {kernel: 3, stride: 2, padding: 1}}, gelu, {average_pool: {kernel: 2, stride: 1}}, tanh, "
        "flatten, {dense: 5}, sigmoid, dense]"}}};
  return kForms;
}

/// Every registered model, and the variants.
inline std::vector<std::string> models_and_variants() {
  std::vector<std::string> names = ModelRegistry::instance().names();
  for (const auto& [name, form] : small_forms())
    if (name != form.model) names.push_back(name);
  return names;
}

struct FittingModel {
  std::string registered;        // its name in the registry
  std::unique_ptr<Model> model;  // nullptr: accepts none of the forms that are known here
  DataSpec spec;
};

/// Places and targets for `count` examples of a form with predictions, as a data set might choose them: the
/// second target of every third example is missing.
struct HiddenTokens {
  std::vector<std::int32_t> places;   // (count, predictions)
  std::vector<std::int32_t> targets;  // (count, predictions)

  HiddenTokens(const DataSpec& spec, std::size_t count, Random& random) {
    const auto each = static_cast<std::size_t>(spec.predictions);
    for (std::size_t i = 0; i < count * each; ++i) {
      const bool missing = i % each == 1 && i / each % 3 == 2;
      const std::uint64_t place = random.below(static_cast<std::uint64_t>(spec.width()));
      const std::uint64_t target = random.below(static_cast<std::uint64_t>(spec.vocabulary));
      places.push_back(missing ? 0 : static_cast<std::int32_t>(place));
      targets.push_back(missing ? kNoTarget : static_cast<std::int32_t>(target));
    }
  }
};

/// The model or variant called `name` for 4 classes on the first that it accepts of a few small forms: flat
/// features, images, token sequences. What holds at any width is tested small.
inline FittingModel model_with_data(const std::string& name) {
  const auto found = small_forms().find(name);
  const SmallForm form = found == small_forms().end() ? SmallForm{name, ""} : found->second;
  const ConfigNode node = form.settings.empty() ? ConfigNode() : ConfigNode::from_text(form.settings, name);
  std::vector<DataSpec> forms = {
      {{9}, 4, 0}, {{2, 8, 8}, 4, 0}, {{1, 16, 16}, 4, 0}, {{3, 32, 32}, 4, 0}, {{7}, 4, 20}};
  if (!form.form.shape.empty()) forms = {form.form};
  for (const DataSpec& spec : forms) {
    try {
      return {form.model, ModelRegistry::instance().find(form.model, "model").make(node, spec), spec};
    } catch (const UserError&) {
      // Not this form; another is tried.
    }
  }
  return {form.model, nullptr, {}};
}

}  // namespace fedloom::testing
