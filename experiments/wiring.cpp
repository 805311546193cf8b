// Building the components of an experiment.
#include "experiments/wiring.hpp"

#include <fstream>

#include "datasets/pooled.hpp"
#include "experiments/initial_model.hpp"
#include "experiments/pacing_check.hpp"
#include "experiments/privacy_config.hpp"
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

double ticks_per_second(const ExperimentConfig& config, bool deployed) {
  return deployed || config.clock == "real" || config.devices ? 1e9 : 1.0;
}

DataHolder server_holder(const ExperimentConfig& config, bool deployed) {
  return !deployed && config.runtime.transport == "inproc" ? DataHolder::everyone() : DataHolder::centre();
}

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

Components build_components(const ExperimentConfig& config, const std::string& data_dir,
                            double ticks_per_second, const DataHolder& holder) {
  std::shared_ptr<const FederatedData> data = load_data(config, data_dir, holder);
  if (make_algorithm(config).strategy->traits().pools_data) data = pool_clients(std::move(data));
  return build_components(config, std::move(data), ticks_per_second);
}

Components build_components(const ExperimentConfig& config, std::shared_ptr<const FederatedData> data,
                            double ticks_per_second) {
  Components parts;
  parts.data = std::move(data);
  parts.model = make_model(config, parts.data->spec());
  Algorithm algorithm = make_algorithm(config);
  parts.strategy = std::move(algorithm.strategy);
  parts.objective = std::move(algorithm.objective);
  parts.pacer = PacerRegistry::instance()
                    .find(config.pacer.name, "pacer")
                    .make(config.pacer.settings, TimeScale{ticks_per_second});
  parts.sampler =
      SamplerRegistry::instance().find(config.sampler.name, "sampler").make(config.sampler.settings);
  if (config.evaluate.on == "validation" && parts.data->validation().size() == 0)
    throw user_error(
        "evaluate.on: validation, but data.validation is 0; hold some training data back, e.g. "
        "data.validation: 0.1");
  if (config.evaluate.on == "validation" && parts.strategy->traits().personal_models &&
      !config.data.group_test && parts.data->client_test(0).size() > 0)
    throw user_error(
        "strategy {} is judged by clients' own models on clients' own test data, which evaluate.on: "
        "validation must "
        "not see; use data.group_test, which has a validation part, or leave data.client_test out",
        config.strategy.name);
  if (config.evaluate.target_accuracy > 0 && config.evaluate.on == "test" && parts.data->test().size() == 0)
    throw user_error(
        "evaluate.target_accuracy: {}, but there are no test examples to reach it on; give a test file or a "
        "larger test_share",
        config.evaluate.target_accuracy);
  check_augmentation(config.data.augment, parts.data->spec());
  check_plain_steps(config, *parts.strategy);
  check_factors(config, *parts.strategy);
  check_pacing(config);
  check_privacy(config, parts);
  return parts;
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

std::shared_ptr<LocalWorld> make_world(const ExperimentConfig& config, const Components& components,
                                       std::shared_ptr<ClientStore> store, std::size_t crew,
                                       std::span<const float> initial) {
  auto world = std::make_shared<LocalWorld>();
  const DataSpec spec = components.data->spec();
  const auto in_parallel = [pieces = config.train.parallel, crew,
                            width = static_cast<std::size_t>(spec.width())](
                               std::shared_ptr<const Model> model) -> std::shared_ptr<const Model> {
    if (pieces <= 1) return model;
    return data_parallel(std::move(model), {.pieces = pieces, .threads = crew, .width = width});
  };
  world->model = in_parallel(components.model);
  world->make_variant = [config, spec, in_parallel](const ModelVariant& variant) {
    return in_parallel(make_model(config, spec, variant));
  };
  world->strategy = components.strategy;
  world->objective = components.objective;
  world->data = components.data;
  world->store = std::move(store);
  world->make_optimizer = [config] { return make_optimizer(config); };
  if (initial.empty())
    world->initial = initial_model(config, spec, *components.model).values;
  else if (initial.size() == components.model->layout()->size())
    world->initial.assign(initial.begin(), initial.end());
  else
    throw user_error("the server's initial model has {} floats, the one here {}; use the same build",
                     initial.size(), components.model->layout()->size());
  world->augment = config.data.augment;
  if (const auto privacy = to_privacy(config)) world->promised = privacy->unit;
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

CoordinatorConfig coordinator_config(const ExperimentConfig& config, const Components& components, bool hold,
                                     double ticks_per_second) {
  CoordinatorConfig c;
  const auto ticks = [&](const Duration& duration) {
    return duration.nanoseconds == 0 ? Tick{0} : TimeScale{ticks_per_second}.ticks(duration.seconds());
  };
  c.duration = ticks(config.duration);
  c.evaluate_interval = ticks(config.evaluate.interval);
  c.ticks_per_second = ticks_per_second;
  c.experiment = config.name;
  c.strategy_name = config.strategy.name;
  c.pacer_name = config.pacer.name;
  c.model_name = config.model.name;
  c.data_name = config.data.source.name;
  c.seed = config.seed;
  c.windows = config.rounds;
  c.recipe = base_recipe(config.train);
  if (config.train.schedule.unit == "round") c.schedule = to_schedule(config.train.schedule, config.train.lr);
  c.lr_decay = config.train.lr_decay;
  c.initial_travels = config.init.has_value();
  c.adapter_alpha = to_adaptation(config.adapter).alpha;
  c.privacy = to_privacy(config);
  c.stragglers = {config.stragglers.fraction, config.stragglers.policy == "keep"};
  c.hold_updates =
      hold && components.strategy->traits().exchanges && !components.strategy->traits().keeps_updates;
  if (config.continual) {
    c.stages = stage_count(*config.continual);
    if (!config.continual->joint) c.stage_windows = rounds_of_stages(*config.continual);
    c.task_heads = config.continual->heads == "per_stage";
  }
  c.evaluate_every = config.evaluate.every;
  c.evaluate_on = config.evaluate.on;
  c.evaluate_clients = config.evaluate.clients;
  c.target_accuracy = config.evaluate.target_accuracy;
  c.stop_at_target = config.evaluate.stop_at_target;
  return c;
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line))
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

ProcessMemory process_memory(std::int64_t process) {
  std::ifstream file(fmt::format("/proc/{}/status", process));
  ProcessMemory memory;
  std::string key;
  while (file >> key) {
    std::uint64_t kilobytes = 0;
    if (key == "VmRSS:" && file >> kilobytes) memory.resident = kilobytes * 1024;
    if (key == "VmHWM:" && file >> kilobytes) memory.peak = kilobytes * 1024;
    file.ignore(4096, '\n');
  }
  return memory;
}

}  // namespace fedloom
