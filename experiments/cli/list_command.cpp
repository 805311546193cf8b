// fedloom list: everything that has a name, with its description, settings and source.
// It walks the registries, so it is never out of date.
#include <memory>

#include "algorithms/algorithm.hpp"
#include "algorithms/sampler.hpp"
#include "datasets/data_source.hpp"
#include "datasets/partitioner.hpp"
#include "datasets/stage_rule.hpp"
#include "experiments/cli/commands.hpp"
#include "models/layers/written_layer.hpp"
#include "models/model.hpp"
#include "models/optimizer.hpp"
#include "server/devices/availability.hpp"
#include "server/devices/distribution.hpp"
#include "server/pacer.hpp"
#include "wiring/plugin.hpp"

namespace fedloom {

namespace {

struct Listing {
  const char* kind;
  std::function<void(bool verbose)> print;
};

template <class RegistryType>
void print_all(bool verbose) {
  for (const auto& [name, entry] : RegistryType::instance().entries()) {
    fmt::print("  {:<16} {}\n", name, entry.about.summary);
    if (!entry.about.citation.empty()) fmt::print("  {:<16} {}\n", "", entry.about.citation);
    if (!verbose) continue;
    for (const FieldDoc& field : entry.fields)
      fmt::print("  {:<16}   {} = {}   {}{}\n", "", field.name, field.default_value, field.doc,
                 field.bounds.empty() ? "" : " (" + field.bounds + ")");
  }
}

const std::vector<Listing>& listings() {
  static const std::vector<Listing> all = {{"strategies", print_all<AlgorithmRegistry>},
                                           {"models", print_all<ModelRegistry>},
                                           {"layers", print_all<LayerRegistry>},
                                           {"datasets", print_all<DatasetRegistry>},
                                           {"partitioners", print_all<PartitionerRegistry>},
                                           {"stages", print_all<StageRuleRegistry>},
                                           {"optimizers", print_all<OptimizerRegistry>},
                                           {"pacers", print_all<PacerRegistry>},
                                           {"samplers", print_all<SamplerRegistry>},
                                           {"distributions", print_all<DistributionRegistry>},
                                           {"availability", print_all<AvailabilityRegistry>}};
  return all;
}

}  // namespace

void add_list_command(CLI::App& app, Action& action) {
  struct Arguments {
    std::string kind;
    bool brief = false;
    std::vector<std::string> plugins;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("list", "list strategies, models, datasets, partitioners, …");
  std::vector<std::string> kinds;
  for (const Listing& listing : listings()) kinds.emplace_back(listing.kind);
  command->add_option("kind", a->kind, "one of: " + fmt::format("{}", fmt::join(kinds, ", ")))
      ->check(CLI::IsMember(kinds));
  command->add_flag("--brief", a->brief, "names and descriptions only, without settings");
  command->add_option("--plugin", a->plugins, "also what this plug-in brings (repeatable)")
      ->allow_extra_args(false);
  command->callback([&action, a] {
    action = [a] {
      for (const std::string& plugin : a->plugins) load_plugin(plugin);
      for (const Listing& listing : listings()) {
        if (!a->kind.empty() && a->kind != listing.kind) continue;
        if (a->kind.empty()) fmt::print("{}\n", listing.kind);
        listing.print(!a->brief);
      }
      return 0;
    };
  });
}

}  // namespace fedloom
