// Runs one task on one client: opens its data and kept state, lets the objective work, and returns the
// update. One trainer belongs to one thread and reuses its buffers from task to task.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "algorithms/algorithm.hpp"
#include "client/batch_buffer.hpp"
#include "client/client_store.hpp"
#include "client/model_form.hpp"
#include "core/messages.hpp"
#include "datasets/augmentation.hpp"
#include "datasets/examples.hpp"
#include "models/model.hpp"
#include "models/optimizer.hpp"

namespace fedloom {

/// A client's examples as a LocalData: looked up (or generated) when first read, so that a task without steps
/// costs none, and gathered into its own buffers.
class GatheredData : public LocalData {
 public:
  /// `find` gives the `size` examples; it is asked at most once, by the first batch(), which then throws
  /// UserError when the features of an example are not in memory.
  void open(std::size_t size, std::function<ExampleView()> find);
  std::size_t size() const override { return size_; }
  /// Pictures of later batches, until the next open(), are augmented with draws from `random`, in the order
  /// in which they are asked for.
  void augment(const Augmentation& how, const Random& random) { augmented_ = {how, random}; }
  /// Where tokens are hidden, those of later batches, until the next open(), are chosen by draws from
  /// `random` in the same way; otherwise they are those of evaluation.
  void draw_masks(const Random& random) { masking_ = random; }
  Batch batch(std::span<const std::uint32_t> positions) override;
  /// Hash of all examples, as batches have them.
  std::uint64_t fingerprint();

 private:
  struct Augmented {
    Augmentation how;
    Random random;
  };
  const ExampleView& view();

  std::size_t size_ = 0;
  std::function<ExampleView()> find_;
  std::optional<ExampleView> view_;
  std::vector<std::uint32_t> indices_;
  BatchBuffer buffer_;
  std::optional<Augmented> augmented_;
  std::optional<Random> masking_;
  std::vector<float> picture_row_;
};

/// What every trainer of a process shares; immutable while clients run.
struct LocalWorld {
  std::shared_ptr<const Model> model;
  std::shared_ptr<const Strategy> strategy;  // for the choice of slices
  std::shared_ptr<const LocalObjective> objective;
  std::shared_ptr<const FederatedData> data;
  std::shared_ptr<ClientStore> store;
  VariantFactory make_variant;  // may be empty where no recipe asks for another form of the model
  std::function<std::unique_ptr<Optimizer>()> make_optimizer;
  FloatBuffer initial;   // the whole model before round 1
  Augmentation augment;  // of training batches; none: as they are
  std::uint64_t seed = 0;
  /// What the experiment promises: tasks without it are refused.
  std::optional<PrivacyUnit> promised;
  /// Seed of what must stay with the client (TaskRun::secret); nothing: the experiment's.
  std::optional<std::uint64_t> secret;
};

using SharedVectors = std::map<std::string, Payload, std::less<>>;

class LocalTrainer {
 public:
  explicit LocalTrainer(std::shared_ptr<const LocalWorld> world);

  /// Never throws: what goes wrong is in the update (Reason::failed and a text).
  Update run(const Task& task, const SharedVectors& shared);
  /// The client's own held-out data under the model it would use (its personal one, if it keeps one).
  ClientEvaluation evaluate(ClientId client, std::uint32_t kept_version, const SharedVectors& shared);

 private:
  Update run_checked(const Task& task, const SharedVectors& shared);
  void check_client(ClientId client) const;
  std::span<const float> start_of(const ModelForm& form, const Payload* sent, const TensorMap& kept);

  std::shared_ptr<const LocalWorld> world_;
  ModelForms forms_;
  std::unique_ptr<Optimizer> optimizer_;
  GatheredData data_;
  FloatBuffer start_;  // only where part of the model does not travel
  FloatBuffer parameters_;
  FloatBuffer gradient_;
};

}  // namespace fedloom
