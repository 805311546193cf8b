// How a learning rate goes over time, as pure functions. The server asks once a round, a client at every step
// of a task; neither keeps anything. Names and meaning as PyTorch's StepLR (step_size, gamma) and
// CosineAnnealingLR (T_max, eta_min); a warm-up comes first and the shape counts from its end, as with
// SequentialLR.
#pragma once

#include <cstdint>
#include <string_view>

namespace fedloom {

enum class ScheduleShape : std::uint8_t { constant, step, cosine };

struct Schedule {
  ScheduleShape shape = ScheduleShape::constant;
  std::int64_t warmup = 0;  // >= 0: times before the full rate is reached
  std::int64_t every = 1;   // >= 1, step: times between two falls
  double gamma = 0.1;       // > 0, step: factor of each fall
  double min_lr = 0.0;      // >= 0, cosine: where it ends; above the base rate it counts as the base rate

  bool operator==(const Schedule&) const = default;
  /// Whether the rate is the base rate at all times.
  bool is_constant() const { return shape == ScheduleShape::constant && warmup == 0; }
};

/// The learning rate at time t = 0, 1, …, horizon - 1 (rounds of an experiment or steps of a task) for the
/// base rate `base`; > 0 when `base` is. Later times are those of a horizon that has passed: cosine stays at
/// min_lr.
///   t < warmup   base (t + 1) / (warmup + 1): never 0, and the full rate at t = warmup
///   after it, with s = t - warmup and S = horizon - warmup:
///   constant     base
///   step         base gamma^floor(s / every)
///   cosine       min_lr + (base - min_lr) (1 + cos(pi s / S)) / 2
double scheduled_rate(const Schedule& schedule, double base, std::int64_t t, std::int64_t horizon);

/// The shape called "constant", "step" or "cosine"; another name is a programmer error.
ScheduleShape schedule_shape(std::string_view name);

}  // namespace fedloom
