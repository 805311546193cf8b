// Order of examples, and the loop. One step:
//   g = mean gradient of the batch;  g = correct(g);  g = g min(1, clip_norm / |g|);  optimizer(g, scheduled
//   lr)
// Where nothing comes between gradient and optimizer, and that is plain SGD, both are one call of the model.
#include "algorithms/local_training.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "algorithms/batch_gradient.hpp"
#include "algorithms/privacy/private_training.hpp"
#include "models/gradient_clip.hpp"

namespace fedloom {

namespace {

// Positions in training order: epoch after epoch, each freshly shuffled.
class BatchOrder {
 public:
  BatchOrder(std::size_t examples, std::size_t batch_size, Random random)
      : order_(examples), batch_size_(batch_size), random_(random), next_(examples) {
    std::iota(order_.begin(), order_.end(), 0U);
  }

  std::span<const std::uint32_t> next() {
    if (next_ >= order_.size()) {
      random_.shuffle(std::span(order_));
      next_ = 0;
    }
    const std::size_t count = std::min(batch_size_, order_.size() - next_);
    const std::span<const std::uint32_t> batch(order_.data() + next_, count);
    next_ += count;
    return batch;
  }

 private:
  std::vector<std::uint32_t> order_;
  std::size_t batch_size_;
  Random random_;
  std::size_t next_;
};

}  // namespace

std::int64_t planned_steps(const Recipe& recipe, std::size_t examples) {
  if (examples == 0) return 0;
  if (recipe.steps > 0) return recipe.steps;
  const auto count = static_cast<std::int64_t>(examples);
  return recipe.epochs * (count / recipe.batch_size + (count % recipe.batch_size > 0 ? 1 : 0));
}

void train_locally(const LocalObjective& objective, TaskRun& run) {
  const Recipe& recipe = run.recipe;
  const std::int64_t steps = planned_steps(recipe, run.data->size());
  if (steps <= 0) return;
  if (recipe.privacy.example_clip > 0.0) return privacy::train_privately(objective, run, steps);
  const Layout& layout = *run.model->layout();
  BatchOrder order(run.data->size(), static_cast<std::size_t>(recipe.batch_size),
                   run.random(Stream::data_order));
  BatchGradient gradient(objective, run);
  const SliceSet trained = recipe.clip_norm > 0.0 ? trained_slices(layout) : SliceSet();
  const bool joined = !objective.corrects() && recipe.clip_norm == 0.0 && run.optimizer->is_plain_sgd();
  for (std::int64_t t = 0; t < steps; ++t) {
    const std::span<const std::uint32_t> positions = order.next();
    const double rate = scheduled_rate(recipe.schedule, recipe.learning_rate, t, steps);
    BatchGradient::Sum sum;
    if (joined && gradient.in_one_piece(positions)) {
      sum = gradient.descend(positions, rate);
    } else {
      sum = gradient.mean(positions);
      objective.correct(run, run.gradient);
      if (recipe.clip_norm > 0.0) clip_gradient(trained, run.gradient, recipe.clip_norm);
      run.optimizer->step(layout, run.parameters, run.gradient, rate);
    }
    run.loss_sum += sum.loss;
    run.loss_count += sum.judged;
    ++run.steps;
  }
}

}  // namespace fedloom
