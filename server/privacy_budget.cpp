// Which mechanism, at which rate, how often.
#include "server/privacy_budget.hpp"

#include <algorithm>

#include "algorithms/privacy/private_training.hpp"

namespace fedloom {

namespace {

// Calibration stops a hair below the budget; what is a hair above by rounding is within it.
constexpr double kHair = 1.0 + 1e-9;

}  // namespace

PrivacyBudget::PrivacyBudget(const PrivacySettings& settings, const Recipe& recipe, std::uint64_t cohort,
                             std::uint64_t population)
    : settings_(settings),
      recipe_(recipe),
      cohort_share_(std::min(
          1.0, static_cast<double>(cohort) / static_cast<double>(std::max<std::uint64_t>(1, population)))) {
  if (settings_.adaptive && settings_.adaptive->count_noise == 0.0)
    settings_.adaptive->count_noise = static_cast<double>(cohort) / 20.0;  // as Andrew et al. do
}

std::int64_t PrivacyBudget::runs_of(const Recipe& recipe, std::uint64_t examples) const {
  if (of_examples()) return examples == 0 ? 0 : recipe.steps_for(examples);
  return settings_.local_noise ? 1 : 0;
}

double PrivacyBudget::rate(std::uint64_t examples) const {
  if (of_examples()) return privacy::sample_rate(recipe_.batch_size, examples);
  return settings_.local_noise ? 1.0 : cohort_share_;
}

double PrivacyBudget::noise(std::uint64_t examples) {
  if (settings_.noise_multiplier > 0.0) return settings_.noise_multiplier;
  const auto known = noise_.find(key(examples));
  if (known != noise_.end()) return known->second;
  const std::int64_t runs = settings_.participations * (of_examples() ? runs_of(recipe_, examples) : 1);
  limits_[key(examples)].within = runs;
  return noise_[key(examples)] = privacy::calibrated_noise(settings_.accounting, settings_.epsilon,
                                                           settings_.delta, rate(examples), runs);
}

double PrivacyBudget::spent(std::uint64_t examples, std::int64_t runs) {
  if (runs == 0) return 0.0;
  const std::pair asked{key(examples), runs};
  const auto known = spent_.find(asked);
  if (known != spent_.end()) return known->second;
  return spent_[asked] = privacy::epsilon_of(settings_.accounting, noise(examples), rate(examples), runs,
                                             settings_.delta);
}

bool PrivacyBudget::allows(std::uint64_t examples, std::int64_t runs) {
  if (settings_.epsilon == 0.0) return true;
  (void)noise(examples);  // where it is computed, it is known to be enough for so many runs
  Limits& limits = limits_[key(examples)];
  if (runs > limits.within && runs < limits.beyond) {
    if (spent(examples, runs) <= settings_.epsilon * kHair)
      limits.within = runs;
    else
      limits.beyond = runs;
  }
  return runs <= limits.within;
}

TaskPrivacy PrivacyBudget::of_task(std::uint64_t examples, double clip) {
  TaskPrivacy task;
  if (of_examples()) {
    task.example_clip = clip;
    task.example_noise = noise(examples);
    return task;
  }
  task.update_clip = clip;
  if (settings_.local_noise) task.update_noise = noise(examples);
  task.counts_clipped = settings_.adaptive.has_value();
  return task;
}

}  // namespace fedloom
