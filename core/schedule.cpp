// The formulas of schedule.hpp.
#include "core/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.hpp"

namespace fedloom {

namespace {

double cosine(double base, double min_lr, std::int64_t s, std::int64_t horizon) {
  const double lowest = std::min(min_lr, base);
  const double progress = static_cast<double>(s) / static_cast<double>(std::max<std::int64_t>(horizon, 1));
  return lowest + (base - lowest) * 0.5 * (1.0 + std::cos(std::numbers::pi * std::min(progress, 1.0)));
}

}  // namespace

double scheduled_rate(const Schedule& schedule, double base, std::int64_t t, std::int64_t horizon) {
  if (t < schedule.warmup)
    return base * static_cast<double>(t + 1) / (static_cast<double>(schedule.warmup) + 1.0);
  const std::int64_t s = t - schedule.warmup;
  switch (schedule.shape) {
    case ScheduleShape::constant: return base;
    case ScheduleShape::step: return base * std::pow(schedule.gamma, static_cast<double>(s / schedule.every));
    case ScheduleShape::cosine: return cosine(base, schedule.min_lr, s, horizon - schedule.warmup);
  }
  return base;
}

ScheduleShape schedule_shape(std::string_view name) {
  if (name == "constant") return ScheduleShape::constant;
  if (name == "step") return ScheduleShape::step;
  FEDLOOM_CHECK(name == "cosine", "no schedule is called '{}'", name);
  return ScheduleShape::cosine;
}

}  // namespace fedloom
