// The client half of an algorithm: what happens on one client during one task. An objective is immutable
// and shared by threads; everything of a task lives in its TaskRun. The defaults are plain local SGD on
// cross-entropy, so FedAvg overrides nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/messages.hpp"
#include "core/random.hpp"
#include "models/loss.hpp"
#include "models/model.hpp"
#include "models/optimizer.hpp"

namespace fedloom {

/// A client's training examples as an algorithm sees them; the client adapts its data set to this.
class LocalData {
 public:
  virtual ~LocalData() = default;
  virtual std::size_t size() const = 0;
  /// A batch of the examples at these positions (0 .. size()-1), valid until the next call.
  virtual Batch batch(std::span<const std::uint32_t> positions) = 0;
};

/// What differential privacy protects: one example of a client, or all that a client has.
enum class PrivacyUnit : std::uint8_t { example, client };

/// Everything one task needs and makes. Owned by the client; valid during the task.
struct TaskRun {
  const Task* task = nullptr;
  const Model* model = nullptr;
  const SliceSet* exchanged = nullptr;  // slices that travel
  const SliceSet* uploaded = nullptr;   // those of them that this task returns
  LocalData* data = nullptr;
  Workspace* workspace = nullptr;
  Optimizer* optimizer = nullptr;
  Recipe recipe;           // the task's, possibly changed by begin()
  std::uint64_t seed = 0;  // of the experiment
  /// Seed of what hides the client's data: whom a private step samples, masks, and noise. It follows from a
  /// secret (in a simulation the experiment's seed, on a device one that nobody else knows) and from all that
  /// the task computes on, so that the same task has the same noise again, and no two others ever have.
  std::uint64_t secret = 0;
  bool task_heads = false;  // the last layer's rows are heads of stages (models/task_heads.hpp)

  std::span<const float> start;                        // the model as it was sent, full layout
  std::span<float> parameters;                         // the model being trained, full layout
  std::span<float> gradient;                           // scratch, full layout
  std::map<std::string, Payload, std::less<>> shared;  // shared vectors by name, "model" included
  TensorMap kept;             // this client's slots; changed values are proposed as new
  TensorMap scratch;          // for the objective, forgotten after the task
  std::shared_ptr<void> own;  // likewise, of whatever type the objective makes in begin()

  std::uint64_t steps = 0;  // optimizer steps taken
  double loss_sum = 0.0;
  std::uint64_t loss_count = 0;

  /// A random sequence of this task: keyed by (seed, stream, client, task number).
  Random random(Stream stream) const { return {seed, stream, task->id.client, task->id.number}; }
  Random secret_random(Stream stream) const { return {secret, stream, task->id.client, task->id.number}; }
  /// For what an example's share in a step must not depend on: the seed's, or where steps are private the
  /// secret's.
  Random step_random(Stream stream) const {
    return recipe.privacy.example_clip > 0.0 ? secret_random(stream) : random(stream);
  }
  /// The `size` floats of a shared vector. It comes from the server: UserError when it is not there, or has
  /// another size.
  std::span<const float> shared_values(std::string_view name, std::size_t size) const;
  /// This client's slot, made of zeros on first use. UserError when the client keeps one of another size.
  Tensor& kept_slot(const std::string& name, std::size_t size);
};

class LocalObjective {
 public:
  virtual ~LocalObjective() = default;

  /// Once per task, before any work.
  virtual void begin(TaskRun& run) const;
  /// Do what a task of this kind asks. Default: local SGD for "train"; UserError for other kinds.
  virtual void work(std::string_view kind, TaskRun& run) const;
  /// Sum of losses over the batch, and its gradient with respect to the logits (B, outputs).
  virtual LossSum loss(TaskRun& run, std::span<const float> logits, std::span<const float> features,
                       const Batch& batch, std::span<float> logit_gradient) const;
  /// Once per step on the flat mean gradient, before the optimizer: proximal pull, control variate …
  virtual void correct(TaskRun& run, std::span<float> gradient) const;
  /// Whether correct() may do anything. When it does not and SGD is plain, a step is joined with the backward
  /// pass and no gradient is written. An objective of its own is taken to correct unless it says otherwise.
  virtual bool corrects() const;
  /// Why what this objective does or returns is not covered by the accounting of a private task of this unit,
  /// or "". For examples: it uses them other than through the clipped, noisy gradients of its steps, or
  /// couples them in its loss. For clients: it returns more than the slot "delta". An objective of its own is
  /// taken to do so unless it says otherwise.
  virtual std::string privacy_gap(PrivacyUnit unit) const;
  /// Fill the update. Default: slot "delta" = uploaded slices of parameters - start.
  virtual void finish(TaskRun& run, Update& update) const;
};

/// parameters - start on the uploaded slices, as the payload "delta".
Payload delta_payload(const TaskRun& run);

}  // namespace fedloom
