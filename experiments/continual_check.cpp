// The combinations, from the traits of the strategy and the sections of the experiment.
#include "experiments/continual_check.hpp"

#include <spdlog/spdlog.h>

#include "core/error.hpp"

namespace fedloom {

void check_continual(const ExperimentConfig& config, const Components& parts) {
  const Traits traits = parts.strategy->traits();
  const auto where = config.strategy.where.empty() ? std::string() : config.strategy.where + ": ";
  const bool in_turn = config.continual && !config.continual->joint;
  if (traits.learns_stages && !in_turn)
    spdlog::warn(
        "{}strategy {} keeps what earlier stages of a sequence have taught, and {}: it does what FedAvg does",
        where, config.strategy.name,
        config.continual ? "with continual.joint there is one stage" : "without `continual:` there is none");
  if (!config.continual) return;
  if (traits.personal_models)
    throw user_error(
        "{}strategy {} is judged by clients' own models, and stages by the one model of the federation; use "
        "another "
        "strategy",
        where, config.strategy.name);
  if (config.evaluate.clients > 0)
    throw user_error(
        "evaluate.clients: with `continual` the model is judged stage by stage, not client by client; leave "
        "it out");
  if (in_turn && config.evaluate.target_accuracy > 0)
    throw user_error(
        "evaluate.target_accuracy: the mean over the stages so far may reach it in the first of them, and "
        "the run "
        "would end there; leave it out");
  for (std::size_t stage = 1; stage <= stage_count(*config.continual); ++stage) {
    const FederatedData& data = parts.data->stage(stage);
    const bool by_validation = config.evaluate.on == "validation";
    if ((by_validation ? data.validation() : data.test()).size() == 0)
      throw user_error("stage {} has no {} examples, so what is forgotten of it cannot be told{}", stage,
                       config.evaluate.on, by_validation ? "; set data.validation, e.g. to 0.1" : "");
  }
}

}  // namespace fedloom
