// From an experiment's names to all its objects: the one place that knows all folders. Everything else
// receives interfaces.
#pragma once

#include <memory>
#include <string>

#include "algorithms/sampler.hpp"
#include "server/coordinator.hpp"
#include "server/pacer.hpp"
#include "wiring/local_parts.hpp"

namespace fedloom {

/// The components of an experiment. Building it checks that they fit together (UserError otherwise).
struct Components : LocalParts {
  std::shared_ptr<const Pacer> pacer;
  std::shared_ptr<const Sampler> sampler;
};

/// What the server's process needs of the data: all where it is the workers' process too.
DataHolder server_holder(const ExperimentConfig& config, bool deployed);

/// 1e9 where ticks are time: in real time and with device profiles; 1 where they only count rounds.
double ticks_per_second(const ExperimentConfig& config, bool deployed);

Components build_components(const ExperimentConfig& config, const std::string& data_dir,
                            double ticks_per_second, const DataHolder& holder = DataHolder::everyone());
/// The same around data that is already there, e.g. a deployed client's own files.
Components build_components(const ExperimentConfig& config, std::shared_ptr<const FederatedData> data,
                            double ticks_per_second);

CoordinatorConfig coordinator_config(const ExperimentConfig& config, const Components& components, bool hold,
                                     double ticks_per_second);

}  // namespace fedloom
