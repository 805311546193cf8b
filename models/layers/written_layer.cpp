// Reading lists of layers: settings, names, what melts together, and errors that say where they stand.
#include "models/layers/written_layer.hpp"

#include <map>
#include <set>

#include "core/error.hpp"

namespace fedloom {

namespace {

// An error that already says which layer of which file it is about.
class PlacedError final : public UserError {
 public:
  using UserError::UserError;
};

template <class Call>
auto placed(const std::string& where, Call call) {
  try {
    return call();
  } catch (const PlacedError&) {
    throw;
  } catch (const UserError& error) {
    throw PlacedError(where.empty() ? error.what() : fmt::format("{}: {}", where, error.what()));
  }
}

const LayerRegistry::Entry& kind_of(const StepSpec& step) {
  return LayerRegistry::instance().find(step.name, "layer", step.where);
}

ConfigNode settings_of(const StepSpec& step, const LayerRegistry::Entry& kind) {
  if (!step.settings.present() || step.settings.is_map()) return step.settings;
  if (kind.fields.empty()) step.settings.fail(fmt::format("a layer '{}' has no settings", step.name));
  return step.settings.under(kind.fields.front().name);
}

struct Read {
  WrittenLayer layer;
  std::string name;  // "" unless one was given
  std::string where;
};

Read read(const StepSpec& step) {
  const LayerRegistry::Entry& kind = kind_of(step);
  const ConfigNode settings = settings_of(step, kind);
  const ConfigNode name = settings.child("name");
  Read read{kind.make(settings.without("name")), name.present() ? name.text() : "", step.where};
  if (name.present() && read.layer.stem.empty())
    name.fail(fmt::format("a layer '{}' has no slices that could be named", step.name));
  return read;
}

}  // namespace

std::vector<LayerRecipe> written_layers(const std::vector<StepSpec>& steps, const DataSpec& data,
                                        const std::string& prefix) {
  std::vector<Read> layers;
  std::set<std::string> taken;
  for (const StepSpec& step : steps) {
    layers.push_back(read(step));
    if (!layers.back().name.empty() && !taken.insert(layers.back().name).second)
      throw user_error("{}: a layer before this one is also called '{}'", step.where, layers.back().name);
  }
  std::map<std::string, int> counts;
  std::vector<LayerRecipe> recipes;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    Read& now = layers[i];
    if (now.name.empty() && !now.layer.stem.empty()) {
      do now.name = fmt::format("{}{}", now.layer.stem, ++counts[now.layer.stem]);
      while (!taken.insert(now.name).second);
    }
    LayerPlace place{prefix + now.name, data};
    const auto next_is = [&](bool Melting::*what) {
      return i + 1 < layers.size() && layers[i + 1].layer.melting.*what;
    };
    if (now.layer.melting.takes_relu && next_is(&Melting::is_relu)) {
      place.relu = true;
      ++i;
    }
    if (now.layer.melting.takes_pool && next_is(&Melting::is_pool)) {
      place.pool = true;
      ++i;
    }
    const LayerRecipe recipe = placed(now.where, [&] { return now.layer.build(place); });
    recipes.push_back([recipe, where = now.where](const Shape& input, ParameterPlan& plan) {
      return placed(where, [&] { return recipe(input, plan); });
    });
  }
  return recipes;
}

void resolve_layers(std::vector<StepSpec>& steps) {
  for (StepSpec& step : steps) {
    const Read known = read(step);
    const LayerRegistry::Entry& kind = kind_of(step);
    std::string text = kind.resolve(settings_of(step, kind).without("name"));
    if (!known.name.empty()) text = fmt::format("name: {}\n{}", config_detail::render(known.name), text);
    step.settings = text.empty() ? ConfigNode() : ConfigNode::from_text(text, step.where);
  }
}

}  // namespace fedloom
