// From an experiment's names to the objects of local work: data, model, strategy, objective. Workers and
// deployed clients need no more; what a server needs besides is experiments/components.hpp.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "algorithms/algorithm.hpp"
#include "client/local_trainer.hpp"
#include "datasets/data_holder.hpp"
#include "datasets/examples.hpp"
#include "models/model.hpp"
#include "wiring/experiment.hpp"

namespace fedloom {

struct LocalParts {
  std::shared_ptr<const FederatedData> data;
  std::shared_ptr<const Model> model;
  std::shared_ptr<const Strategy> strategy;
  std::shared_ptr<const LocalObjective> objective;
};

/// Around data that is already there: an experiment's, or a deployed client's own files. Throws UserError
/// when they do not fit together.
LocalParts local_parts(const ExperimentConfig& config, std::shared_ptr<const FederatedData> data);

/// What a worker process needs of the data, and what a deployed client does.
DataHolder worker_holder(const ExperimentConfig& config);
DataHolder client_holder(const ExperimentConfig& config, std::size_t client);

/// The data that the experiment describes, in stages where it says so.
std::shared_ptr<const FederatedData> load_data(const ExperimentConfig& config, const std::string& data_dir,
                                               const DataHolder& holder = DataHolder::everyone());
/// One client of all where the strategy works on one (`centralised`); else as it is.
std::shared_ptr<const FederatedData> pooled_data(const ExperimentConfig& config,
                                                 std::shared_ptr<const FederatedData> data);

/// The model that an experiment names, for this form of data.
std::shared_ptr<const Model> make_model(const ExperimentConfig& config, const DataSpec& data);
/// The same with another rank, or with more of it frozen.
std::shared_ptr<const Model> make_model(const ExperimentConfig& config, const DataSpec& data,
                                        const ModelVariant& variant);

/// `crew`: threads for the pieces of one batch (train.parallel), the task's own included. `initial`: the
/// model before round 1, where a server has sent it; otherwise it is made as the experiment says.
std::shared_ptr<LocalWorld> make_world(const ExperimentConfig& config, const LocalParts& parts,
                                       std::shared_ptr<ClientStore> store, std::size_t crew = 1,
                                       std::span<const float> initial = {});

/// The local work that the experiment asks for, before anything that goes by rounds.
Recipe base_recipe(const TrainConfig& train);

/// What the CPU calls itself.
std::string cpu_name();

}  // namespace fedloom
