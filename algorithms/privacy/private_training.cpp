// The loop, and sampling by the gaps between the chosen.
#include "algorithms/privacy/private_training.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "algorithms/batch_gradient.hpp"
#include "core/error.hpp"
#include "core/hash.hpp"
#include "models/gradient_clip.hpp"

namespace fedloom::privacy {

PoissonSample::PoissonSample(std::size_t examples, double rate, Random random)
    : examples_(examples), rate_(rate), random_(random) {
  FEDLOOM_CHECK(rate >= 0.0 && rate <= 1.0, "sampling examples with probability {}", rate);
}

std::span<const std::uint32_t> PoissonSample::next() {
  positions_.clear();
  if (rate_ >= 1.0) {
    positions_.resize(examples_);
    std::iota(positions_.begin(), positions_.end(), 0U);
  } else if (rate_ > 0.0) {
    // Failures before a success are geometric: floor(log U / log(1 - q)), U uniform in (0, 1].
    const double scale = 1.0 / std::log1p(-rate_);
    for (double at = 0.0;; at += 1.0) {
      at += std::floor(std::log(1.0 - random_.uniform()) * scale);
      if (!(at < static_cast<double>(examples_))) break;
      positions_.push_back(static_cast<std::uint32_t>(at));
    }
  }
  return positions_;
}

double sample_rate(std::int64_t batch_size, std::uint64_t examples) {
  if (examples == 0) return 0.0;
  return std::min(1.0, static_cast<double>(batch_size) / static_cast<double>(examples));
}

void add_noise_and_divide(const SliceSet& trained, std::span<float> sum, double deviation, double expected,
                          Random& random) {
  for (const SliceSet::Run& slice : trained.runs())
    for (float& value : sum.subspan(slice.offset, slice.size)) {
      const double noise = deviation > 0.0 ? deviation * random.normal() : 0.0;
      value = static_cast<float>((static_cast<double>(value) + noise) / expected);
    }
}

void train_privately(const LocalObjective& objective, TaskRun& run, std::int64_t steps) {
  const Recipe& recipe = run.recipe;
  const TaskPrivacy& privacy = recipe.privacy;
  const Layout& layout = *run.model->layout();
  const SliceSet trained = trained_slices(layout);
  const std::size_t examples = run.data->size();
  const double rate = sample_rate(recipe.batch_size, examples);
  const double expected = rate * static_cast<double>(examples);
  PoissonSample sample(examples, rate, run.secret_random(Stream::data_order));
  BatchGradient gradient(objective, run);
  for (std::int64_t t = 0; t < steps; ++t) {
    gradient.clipped_sum(sample.next(), privacy.example_clip);
    // A sequence of its own for every step: one for all would come to its end in a long task.
    Random noise(mixed({run.secret, static_cast<std::uint64_t>(t)}), Stream::noise, run.task->id.client,
                 run.task->id.number);
    add_noise_and_divide(trained, run.gradient, privacy.example_noise * privacy.example_clip, expected,
                         noise);
    objective.correct(run, run.gradient);
    if (recipe.clip_norm > 0.0) clip_gradient(trained, run.gradient, recipe.clip_norm);
    run.optimizer->step(layout, run.parameters, run.gradient,
                        scheduled_rate(recipe.schedule, recipe.learning_rate, t, steps));
    ++run.steps;
  }
}

}  // namespace fedloom::privacy
