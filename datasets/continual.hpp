// Data that comes as a sequence of stages: the section `continual` of an experiment, and the federation it
// makes of the section `data`. The data knows the stages; when each of them has its rounds is the
// coordinator's business, and how forgetting is prevented that of strategies.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "datasets/federation.hpp"

namespace fedloom {

/// The `continual:` part of an experiment file.
struct ContinualConfig {
  ComponentSpec stages{"permuted"};
  std::vector<std::uint64_t> rounds_per_stage = {10};
  std::string heads = "single";
  double visible_to = 1.0;
  bool joint = false;

  template <class Visitor>
  void visit(Visitor& v) {
    v.alias("tasks", "stages");
    v("stages", stages,
      "what comes one after the other: a name from `fedloom list stages`, or a map with its settings. Papers "
      "call a stage a task");
    v.alias("rounds_per_task", "rounds_per_stage");
    v("rounds_per_stage", rounds_per_stage, "rounds of each stage: one number for all, or a list",
      at_least(1));
    v("heads", heads,
      "single: one output for each class; per_stage: every stage has outputs of its own, and which stage an "
      "example is of is known in training and in tests",
      one_of({"single", "per_stage"}));
    v("visible_to", visible_to,
      "share of the clients, drawn anew for each stage, that its data is spread over; only they take part in "
      "it",
      between(0, 1));
    v("joint", joint, "train on all stages at once for as many rounds: the upper bound");
  }
};

/// Number of stages. Throws UserError when the settings of `stages` do.
std::size_t stage_count(const ContinualConfig& config);
/// Rounds of each stage, as many as there are stages. Throws UserError when a list has another length.
std::vector<std::uint64_t> rounds_of_stages(const ContinualConfig& config);

/// The federation of `data`, stage by stage: FederatedData::stage(1) … stage(N); as a whole it is the union.
/// Clients, held-back parts and `holder` as for load_federated_data(). Throws UserError.
std::shared_ptr<const FederatedData> load_continual_data(const DataConfig& data,
                                                         const ContinualConfig& config, std::uint64_t seed,
                                                         const std::string& data_dir,
                                                         const DataHolder& holder = DataHolder::everyone());

/// The settings with every default written out, as YAML lines.
std::string resolved_yaml(const ContinualConfig& config);

}  // namespace fedloom
