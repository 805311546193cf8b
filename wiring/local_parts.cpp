// Building what local work needs.
#include "wiring/local_parts.hpp"

#include <fstream>

#include "datasets/pooled.hpp"
#include "models/data_parallel.hpp"
#include "models/task_heads.hpp"

namespace fedloom {

namespace {

Algorithm make_algorithm(const ExperimentConfig& config) {
  return AlgorithmRegistry::instance().find(config.strategy.name, "strategy").make(config.strategy.settings);
}

std::unique_ptr<Optimizer> make_optimizer(const ExperimentConfig& config) {
  const ComponentSpec& optimizer = config.train.optimizer;
  return OptimizerRegistry::instance().find(optimizer.name, "optimizer").make(optimizer.settings);
}

// What a strategy infers from where clients end holds only when every step is the same rate times the
// gradient.
void check_plain_steps(const ExperimentConfig& config, const Strategy& strategy) {
  const Schedule schedule = to_schedule(config.train.schedule, config.train.lr);
  if (!strategy.traits().needs_plain_sgd) return;
  if (!make_optimizer(config)->is_plain_sgd())
    throw user_error(
        "{}strategy {} needs plain SGD on clients: optimizer sgd with momentum and weight_decay 0",
        config.train.optimizer.where.empty() ? "" : config.train.optimizer.where + ": ",
        config.strategy.name);
  if (config.train.clip_norm > 0.0)
    throw user_error("strategy {} needs plain SGD on clients, and train.clip_norm is {}; set it to 0",
                     config.strategy.name, config.train.clip_norm);
  if (config.train.schedule.unit == "step" && !schedule.is_constant())
    throw user_error(
        "strategy {} needs the same learning rate at all steps of a task; set train.schedule.unit: round",
        config.strategy.name);
}

void check_factors(const ExperimentConfig& config, const Strategy& strategy) {
  if (strategy.traits().needs_lora && config.adapter.name != "lora")
    throw user_error(
        "{}strategy {} works on LoRA factors, and the adapter is {}; set e.g. adapter: {{name: lora, "
        "targets: "
        "[\"*.query\", \"*.value\"], rank: 8, alpha: 16, train: [head]}}",
        config.strategy.where.empty() ? "" : config.strategy.where + ": ", config.strategy.name,
        config.adapter.name);
}

}  // namespace

DataHolder worker_holder(const ExperimentConfig& config) {
  // Pooling makes one client of all, without a test set of its own, after the needs were counted.
  if (make_algorithm(config).strategy->traits().pools_data) return DataHolder::everyone();
  return DataHolder::worker(config.evaluate.clients > 0);
}

DataHolder client_holder(const ExperimentConfig& config, std::size_t client) {
  return DataHolder::client(client, config.evaluate.clients > 0);
}

std::shared_ptr<const FederatedData> load_data(const ExperimentConfig& config, const std::string& data_dir,
                                               const DataHolder& holder) {
  if (config.continual)
    return load_continual_data(config.data, *config.continual, config.seed, data_dir, holder);
  return load_federated_data(config.data, config.seed, data_dir, holder);
}

LocalParts local_parts(const ExperimentConfig& config, std::shared_ptr<const FederatedData> data) {
  LocalParts parts;
  parts.data = std::move(data);
  parts.model = make_model(config, parts.data->spec());
  Algorithm algorithm = make_algorithm(config);
  parts.strategy = std::move(algorithm.strategy);
  parts.objective = std::move(algorithm.objective);
  check_augmentation(config.data.augment, parts.data->spec());
  check_plain_steps(config, *parts.strategy);
  check_factors(config, *parts.strategy);
  return parts;
}

std::shared_ptr<const FederatedData> pooled_data(const ExperimentConfig& config,
                                                 std::shared_ptr<const FederatedData> data) {
  if (!make_algorithm(config).strategy->traits().pools_data) return data;
  return pool_clients(std::move(data));
}

std::shared_ptr<const Model> make_model(const ExperimentConfig& config, const DataSpec& data) {
  return make_model(config, data, {});
}

std::shared_ptr<const Model> make_model(const ExperimentConfig& config, const DataSpec& data,
                                        const ModelVariant& variant) {
  Adaptation how = to_adaptation(config.adapter);
  how.frozen = variant.frozen;
  if (variant.rank > 0) {
    how.rank = variant.rank;
    how.alpha = variant.alpha;
  }
  std::unique_ptr<Model> model = ModelRegistry::instance()
                                     .find(config.model.name, "model")
                                     .make(config.model.settings, {data, std::move(how)});
  if (data.heads.empty()) return model;
  return task_heads(std::move(model), data.heads);
}

std::shared_ptr<LocalWorld> make_world(const ExperimentConfig& config, const LocalParts& parts,
                                       std::shared_ptr<ClientStore> store, std::size_t crew,
                                       std::span<const float> initial) {
  auto world = std::make_shared<LocalWorld>();
  const DataSpec spec = parts.data->spec();
  const auto in_parallel = [pieces = config.train.parallel, crew,
                            width = static_cast<std::size_t>(spec.width())](
                               std::shared_ptr<const Model> model) -> std::shared_ptr<const Model> {
    if (pieces <= 1) return model;
    return data_parallel(std::move(model), {.pieces = pieces, .threads = crew, .width = width});
  };
  world->model = in_parallel(parts.model);
  world->make_variant = [config, spec, in_parallel](const ModelVariant& variant) {
    return in_parallel(make_model(config, spec, variant));
  };
  world->strategy = parts.strategy;
  world->objective = parts.objective;
  world->data = parts.data;
  world->store = std::move(store);
  world->make_optimizer = [config] { return make_optimizer(config); };
  if (initial.empty())
    world->initial = initial_model(config, spec, *parts.model).values;
  else if (initial.size() == parts.model->layout()->size())
    world->initial.assign(initial.begin(), initial.end());
  else
    throw user_error("the server's initial model has {} floats, the one here {}; use the same build",
                     initial.size(), parts.model->layout()->size());
  world->augment = config.data.augment;
  if (config.privacy.unit != "none")
    world->promised = config.privacy.unit == "example" ? PrivacyUnit::example : PrivacyUnit::client;
  world->seed = config.seed;
  return world;
}

Recipe base_recipe(const TrainConfig& train) {
  Recipe recipe;
  recipe.epochs = train.epochs;
  recipe.steps = train.steps;
  recipe.batch_size = train.batch_size;
  recipe.learning_rate = train.lr;
  recipe.clip_norm = train.clip_norm;
  recipe.micro_batch = train.micro_batch;
  if (train.schedule.unit == "step") recipe.schedule = to_schedule(train.schedule, train.lr);
  return recipe;
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line))
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

}  // namespace fedloom
