// From the keys to the schedule; a key that its shape does not read is an error, not ignored.
#include "wiring/schedule_config.hpp"

#include "core/error.hpp"

namespace fedloom {

namespace {

void refuse(bool given, const char* key, const char* shape, const std::string& name) {
  if (given)
    throw user_error("train.schedule: `{}` means nothing with name: {}; it is for {}", key, name, shape);
}

}  // namespace

Schedule to_schedule(const ScheduleConfig& config, double learning_rate) {
  Schedule schedule;
  schedule.shape = schedule_shape(config.name);
  schedule.warmup = config.warmup;
  const bool steps = schedule.shape == ScheduleShape::step;
  const bool cosine = schedule.shape == ScheduleShape::cosine;
  refuse(config.every && !steps, "every", "step", config.name);
  refuse(config.gamma && !steps, "gamma", "step", config.name);
  refuse(config.min_lr && !cosine, "min_lr", "cosine", config.name);
  if (steps && !config.every)
    throw user_error("train.schedule: step needs `every`, the {}s between two falls, e.g. every: 30",
                     config.unit);
  if (config.min_lr && *config.min_lr > learning_rate)
    throw user_error("train.schedule: min_lr {} is above train.lr {}; cosine goes down to it", *config.min_lr,
                     learning_rate);
  schedule.every = config.every.value_or(schedule.every);
  schedule.gamma = config.gamma.value_or(schedule.gamma);
  schedule.min_lr = config.min_lr.value_or(schedule.min_lr);
  return schedule;
}

}  // namespace fedloom
