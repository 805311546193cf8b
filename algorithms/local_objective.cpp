// Default client behaviour and the local SGD loop all training objectives share.
#include "algorithms/local_objective.hpp"

#include <algorithm>
#include <numeric>

#include "core/error.hpp"
#include "core/simd.hpp"

namespace fedloom {

namespace {

FEDLOOM_SIMD_CLONES
void scale(float* values, std::size_t count, float factor) {
  for (std::size_t i = 0; i < count; ++i) values[i] *= factor;
}

FEDLOOM_SIMD_CLONES
void subtract(const float* a, const float* b, float* out, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) out[i] = a[i] - b[i];
}

// Positions in training order: epoch after epoch, each freshly shuffled.
class BatchOrder {
 public:
  BatchOrder(std::size_t examples, std::size_t batch_size, Random random)
      : order_(examples), batch_size_(batch_size), random_(random), next_(examples) {
    std::iota(order_.begin(), order_.end(), 0U);
  }

  bool at_epoch_end() const { return next_ >= order_.size(); }

  std::span<const std::uint32_t> next() {
    if (at_epoch_end()) {
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

void step(const LocalObjective& objective, TaskRun& run, std::span<const std::uint32_t> positions,
          Random& dropout, FloatBuffer& logit_gradient) {
  const Batch batch = run.data->batch(positions);
  const std::span<const float> logits =
      run.model->forward(run.parameters, batch, *run.workspace,
                         {.training = true, .random = &dropout, .statistics = run.parameters});
  const std::span<float> dlogits(logit_gradient.data(), logits.size());
  const LossSum sum = objective.loss(run, logits, run.model->features(*run.workspace), batch, dlogits);
  // Scaling the small logit gradient by 1/B makes backward's sum the mean over the batch.
  scale(dlogits.data(), dlogits.size(), 1.0F / static_cast<float>(batch.size));
  run.model->backward(run.parameters, batch, *run.workspace, dlogits, run.gradient, {});
  objective.correct(run, run.gradient);
  run.optimizer->step(*run.model->layout(), run.parameters, run.gradient, run.recipe.learning_rate);
  run.loss_sum += sum.loss;
  run.loss_count += batch.size;
  ++run.steps;
}

}  // namespace

std::span<const float> TaskRun::shared_values(std::string_view name) const {
  const auto it = shared.find(name);
  FEDLOOM_CHECK(it != shared.end(), "task {} of client {} came without '{}'", task->id.number,
                task->id.client, name);
  return it->second.values();
}

Tensor& TaskRun::kept_slot(const std::string& name, std::size_t size) {
  Tensor& slot = kept[name];
  if (slot.data.empty()) slot = Tensor::zeros({static_cast<std::int64_t>(size)});
  FEDLOOM_CHECK(slot.data.size() == size, "kept slot '{}' has {} floats, not {}", name, slot.data.size(),
                size);
  return slot;
}

void LocalObjective::begin(TaskRun& /*run*/) const {}

void LocalObjective::work(std::string_view kind, TaskRun& run) const {
  FEDLOOM_CHECK(kind == "train", "this objective does not know tasks of kind '{}'", kind);
  train_locally(*this, run);
}

LossSum LocalObjective::loss(TaskRun& run, std::span<const float> logits, std::span<const float> /*features*/,
                             const Batch& batch, std::span<float> logit_gradient) const {
  return softmax_cross_entropy(logits, {batch.targets, batch.size}, run.model->outputs(), logit_gradient);
}

void LocalObjective::correct(TaskRun& /*run*/, std::span<float> /*gradient*/) const {}

void LocalObjective::finish(TaskRun& run, Update& update) const {
  update.slots.push_back(delta_payload(run));
}

void train_locally(const LocalObjective& objective, TaskRun& run) {
  if (run.data->size() == 0) return;
  const Recipe& recipe = run.recipe;
  const auto batch_size = std::min(static_cast<std::size_t>(recipe.batch_size), run.data->size());
  BatchOrder order(run.data->size(), batch_size, run.random(Stream::data_order));
  Random dropout = run.random(Stream::dropout);
  FloatBuffer logit_gradient(batch_size * run.model->outputs());
  if (recipe.steps > 0) {
    for (std::int64_t i = 0; i < recipe.steps; ++i)
      step(objective, run, order.next(), dropout, logit_gradient);
    return;
  }
  for (std::int64_t epoch = 0; epoch < recipe.epochs; ++epoch) {
    do {
      step(objective, run, order.next(), dropout, logit_gradient);
    } while (!order.at_epoch_end());
  }
}

Payload delta_payload(const TaskRun& run) {
  Blob delta = Blob::allocate(run.exchanged->size() * sizeof(float));
  const std::span<float> values = delta.writable_as<float>();
  std::size_t packed = 0;
  for (const SliceSet::Run& slice : run.exchanged->runs()) {
    subtract(run.parameters.data() + slice.offset, run.start.data() + slice.offset, values.data() + packed,
             slice.size);
    packed += slice.size;
  }
  return {"delta", {static_cast<std::int64_t>(run.exchanged->size())}, std::move(delta)};
}

}  // namespace fedloom
