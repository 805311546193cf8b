// Building the components of an experiment.
#include "experiments/components.hpp"

#include "experiments/continual_check.hpp"
#include "experiments/pacing_check.hpp"
#include "experiments/privacy_check.hpp"

namespace fedloom {

double ticks_per_second(const ExperimentConfig& config, bool deployed) {
  return deployed || config.clock == "real" || config.devices ? 1e9 : 1.0;
}

DataHolder server_holder(const ExperimentConfig& config, bool deployed) {
  return !deployed && config.runtime.transport == "inproc" ? DataHolder::everyone() : DataHolder::centre();
}

Components build_components(const ExperimentConfig& config, const std::string& data_dir,
                            double ticks_per_second, const DataHolder& holder) {
  return build_components(config, pooled_data(config, load_data(config, data_dir, holder)), ticks_per_second);
}

Components build_components(const ExperimentConfig& config, std::shared_ptr<const FederatedData> data,
                            double ticks_per_second) {
  Components parts;
  static_cast<LocalParts&>(parts) = local_parts(config, std::move(data));
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
  check_pacing(config);
  check_privacy(config, parts);
  check_continual(config, parts);
  return parts;
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

}  // namespace fedloom
