// From an experiment's names to objects: the one place that knows all folders. Everything else receives
// interfaces.
#pragma once

#include <memory>
#include <string>

#include "algorithms/algorithm.hpp"
#include "algorithms/sampler.hpp"
#include "client/local_trainer.hpp"
#include "datasets/data_holder.hpp"
#include "datasets/examples.hpp"
#include "experiments/experiment.hpp"
#include "models/model.hpp"
#include "server/coordinator.hpp"
#include "server/pacer.hpp"

namespace fedloom {

/// The components of an experiment. Building it checks that they fit together (UserError otherwise).
struct Components {
  std::shared_ptr<const FederatedData> data;
  std::shared_ptr<const Model> model;
  std::shared_ptr<const Strategy> strategy;
  std::shared_ptr<const LocalObjective> objective;
  std::shared_ptr<const Pacer> pacer;
  std::shared_ptr<const Sampler> sampler;
};

/// What the server's process needs of the data: all where it is the workers' process too.
DataHolder server_holder(const ExperimentConfig& config, bool deployed);
/// What a worker process needs of it, and what a deployed client does.
DataHolder worker_holder(const ExperimentConfig& config);
DataHolder client_holder(const ExperimentConfig& config, std::size_t client);

/// 1e9 where ticks are time: in real time and with device profiles; 1 where they only count rounds.
double ticks_per_second(const ExperimentConfig& config, bool deployed);

/// The data that the experiment describes, in stages where it says so.
std::shared_ptr<const FederatedData> load_data(const ExperimentConfig& config, const std::string& data_dir,
                                               const DataHolder& holder = DataHolder::everyone());

Components build_components(const ExperimentConfig& config, const std::string& data_dir,
                            double ticks_per_second, const DataHolder& holder = DataHolder::everyone());
/// The same around data that is already there, e.g. a deployed client's own files.
Components build_components(const ExperimentConfig& config, std::shared_ptr<const FederatedData> data,
                            double ticks_per_second);

/// The model that an experiment names, for this form of data.
std::shared_ptr<const Model> make_model(const ExperimentConfig& config, const DataSpec& data);
/// The same with another rank, or with more of it frozen.
std::shared_ptr<const Model> make_model(const ExperimentConfig& config, const DataSpec& data,
                                        const ModelVariant& variant);

/// `crew`: threads for the pieces of one batch (train.parallel), the task's own included. `initial`: the
/// model before round 1, where a server has sent it; otherwise it is made as the experiment says.
std::shared_ptr<LocalWorld> make_world(const ExperimentConfig& config, const Components& components,
                                       std::shared_ptr<ClientStore> store, std::size_t crew = 1,
                                       std::span<const float> initial = {});

/// The local work that the experiment asks for, before anything that goes by rounds.
Recipe base_recipe(const TrainConfig& train);

CoordinatorConfig coordinator_config(const ExperimentConfig& config, const Components& components, bool hold,
                                     double ticks_per_second);

/// What the CPU calls itself.
std::string cpu_name();
/// Resident and peak resident bytes of a process; zeros when it is gone.
struct ProcessMemory {
  std::uint64_t resident = 0;
  std::uint64_t peak = 0;
};
ProcessMemory process_memory(std::int64_t process);

}  // namespace fedloom
