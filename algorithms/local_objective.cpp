// Default client behaviour. The local SGD loop is local_training.cpp.
#include "algorithms/local_objective.hpp"

#include <typeinfo>

#include "algorithms/local_training.hpp"
#include "core/error.hpp"
#include "core/simd.hpp"

namespace fedloom {

namespace {

FEDLOOM_SIMD_CLONES
void subtract(const float* a, const float* b, float* out, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) out[i] = a[i] - b[i];
}

}  // namespace

std::span<const float> TaskRun::shared_values(std::string_view name, std::size_t size) const {
  const auto it = shared.find(name);
  if (it == shared.end())
    throw user_error("task {} of client {} came without '{}'", task->id.number, task->id.client, name);
  const std::span<const float> values = it->second.values();
  if (values.size() != size) throw user_error("'{}' came with {} floats, not {}", name, values.size(), size);
  return values;
}

Tensor& TaskRun::kept_slot(const std::string& name, std::size_t size) {
  Tensor& slot = kept[name];
  if (slot.data.empty()) slot = Tensor::zeros({static_cast<std::int64_t>(size)});
  if (slot.data.size() != size)
    throw user_error("kept slot '{}' has {} floats, not {}", name, slot.data.size(), size);
  return slot;
}

void LocalObjective::begin(TaskRun& /*run*/) const {}

void LocalObjective::work(std::string_view kind, TaskRun& run) const {
  if (kind != "train") throw user_error("this strategy has no tasks of kind '{}'", kind);
  train_locally(*this, run);
}

LossSum LocalObjective::loss(TaskRun& /*run*/, std::span<const float> logits,
                             std::span<const float> /*features*/, const Batch& batch,
                             std::span<float> logit_gradient) const {
  return softmax_cross_entropy(logits, batch, logit_gradient);
}

void LocalObjective::correct(TaskRun& /*run*/, std::span<float> /*gradient*/) const {}

bool LocalObjective::corrects() const { return typeid(*this) != typeid(LocalObjective); }

std::string LocalObjective::privacy_gap(PrivacyUnit /*unit*/) const {
  return typeid(*this) == typeid(LocalObjective)
             ? ""
             : "its local work is its own, and it does not say that the accounting covers it "
               "(LocalObjective::privacy_gap)";
}

void LocalObjective::finish(TaskRun& run, Update& update) const {
  update.slots.push_back(delta_payload(run));
}

Payload delta_payload(const TaskRun& run) {
  Blob delta = Blob::allocate(run.uploaded->size() * sizeof(float));
  const std::span<float> values = delta.writable_as<float>();
  std::size_t packed = 0;
  for (const SliceSet::Run& slice : run.uploaded->runs()) {
    subtract(run.parameters.data() + slice.offset, run.start.data() + slice.offset, values.data() + packed,
             slice.size);
    packed += slice.size;
  }
  return {"delta", {static_cast<std::int64_t>(run.uploaded->size())}, std::move(delta)};
}

}  // namespace fedloom
