// A wrapper that masks what forward returns; everything else is the model's own.
#include "models/task_heads.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace fedloom {

namespace {

// Its exponential is 0 beside any logit, and unlike infinity it stays harmless in a difference.
constexpr float kNever = -1e30F;

using HeadOf = std::vector<std::pair<std::size_t, std::size_t>>;

struct HeadSpace final : Workspace {
  HeadSpace(std::size_t max_batch, const HeadOf& heads) : Workspace(max_batch), head_of(heads) {}

  const HeadOf& head_of;       // of the model, which outlives its workspaces
  std::span<const float> all;  // of the latest forward
  std::unique_ptr<Workspace> below;
  FloatBuffer logits;
};

class TaskHeads final : public Model {
 public:
  TaskHeads(std::shared_ptr<const Model> model, const std::vector<std::int64_t>& heads)
      : model_(std::move(model)) {
    for (const std::int64_t size : heads) {
      FEDLOOM_CHECK(size >= 1, "a head of {} outputs", size);
      head_of_.insert(head_of_.end(), static_cast<std::size_t>(size),
                      {head_of_.size(), head_of_.size() + static_cast<std::size_t>(size)});
    }
    FEDLOOM_CHECK(head_of_.size() == model_->outputs(), "heads of {} outputs for a model of {}",
                  head_of_.size(), model_->outputs());
  }

  const std::shared_ptr<const Layout>& layout() const override { return model_->layout(); }
  std::size_t outputs() const override { return model_->outputs(); }
  void initialize(std::span<float> parameters, Random& random) const override {
    model_->initialize(parameters, random);
  }
  std::size_t feature_width() const override { return model_->feature_width(); }
  std::string mixing_layer() const override { return model_->mixing_layer(); }
  double forward_flops() const override { return model_->forward_flops(); }

  std::unique_ptr<Workspace> workspace(std::size_t max_batch) const override {
    auto space = std::make_unique<HeadSpace>(max_batch, head_of_);
    space->below = model_->workspace(max_batch);
    space->logits.resize(max_batch * outputs());
    return space;
  }

  std::span<const float> forward(std::span<const float> parameters, const Batch& batch, Workspace& workspace,
                                 const ForwardOptions& options) const override {
    HeadSpace& space = own(workspace);
    const std::span<const float> logits = model_->forward(parameters, batch, *space.below, options);
    space.all = logits;
    if (batch.targets == nullptr) return logits;
    const std::span<float> masked(space.logits.data(), logits.size());
    std::fill(masked.begin(), masked.end(), kNever);
    for (std::size_t i = 0; i < batch.size; ++i) {
      const auto target = static_cast<std::size_t>(batch.targets[i]);
      FEDLOOM_CHECK(target < head_of_.size(), "label {} of {} classes", batch.targets[i], head_of_.size());
      const auto [begin, end] = head_of_[target];
      const std::size_t row = i * outputs();
      std::copy_n(logits.data() + row + begin, end - begin, masked.data() + row + begin);
    }
    return masked;
  }

  std::span<const float> features(const Workspace& workspace) const override {
    return model_->features(*own(workspace).below);
  }

  void backward(std::span<const float> parameters, const Batch& batch, Workspace& workspace,
                std::span<const float> logit_gradient, std::span<float> gradient,
                const BackwardOptions& options) const override {
    model_->backward(parameters, batch, *own(workspace).below, logit_gradient, gradient, options);
  }
  void descend(std::span<float> parameters, const Batch& batch, Workspace& workspace,
               std::span<const float> logit_gradient, std::span<float> scratch, float rate) const override {
    model_->descend(parameters, batch, *own(workspace).below, logit_gradient, scratch, rate);
  }

 private:
  static const HeadSpace& own(const Workspace& workspace) {
    const auto* space = dynamic_cast<const HeadSpace*>(&workspace);
    FEDLOOM_CHECK(space != nullptr, "the workspace belongs to another model");
    return *space;
  }
  static HeadSpace& own(Workspace& workspace) {
    return const_cast<HeadSpace&>(
        own(static_cast<const Workspace&>(workspace)));  // NOLINT: it came in mutable
  }

  std::shared_ptr<const Model> model_;
  HeadOf head_of_;  // of each output, [begin, end) of its head
};

}  // namespace

std::unique_ptr<Model> task_heads(std::shared_ptr<const Model> model,
                                  const std::vector<std::int64_t>& heads) {
  return std::make_unique<TaskHeads>(std::move(model), heads);
}

std::optional<HeadLogits> logits_of_heads(const Workspace& workspace) {
  const auto* space = dynamic_cast<const HeadSpace*>(&workspace);
  if (space == nullptr) return std::nullopt;
  return HeadLogits{space->all, space->head_of};
}

}  // namespace fedloom
