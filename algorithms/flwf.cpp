// FLwF. A. Usmanova, F. Portet, P. Lalanda, G. Vega, "A Distillation-Based Approach Integrating Continual
// Learning and Federated Learning for Pervasive Services", 2021: learning without forgetting (Z. Li, D.
// Hoiem, ECCV 2016) on every client, with the global model of the last stage's end as the teacher.
//
//   client   loss = (1 - alpha) cross-entropy + alpha T^2 KL(softmax(teacher / T) || softmax(student / T))
//            its gradient by the logits:  (1 - alpha) (p - y) + alpha T (q_student - q_teacher)
//   server   the example-weighted mean of deltas; at a stage's end its model becomes the teacher
//
// In the first stage there is no teacher, and it is FedAvg. With one head the teacher is compared on all
// outputs; where stages have heads of their own, on each head of an earlier stage by itself, as Li and Hoiem
// do, and the divergences are averaged over those heads. Deviation: the variant with one teacher; the factor
// T^2 keeps the two gradients of one size (G. Hinton et al., 2015).
#include <algorithm>
#include <cmath>

#include "algorithms/algorithm.hpp"
#include "models/task_heads.hpp"

namespace fedloom {
namespace {

struct FlwfConfig {
  double alpha = 0.5;
  double temperature = 2.0;
  double server_lr = 1.0;
  template <class Visitor>
  void visit(Visitor& v) {
    v("alpha", alpha, "weight of the teacher beside the labels; 0 is FedAvg", between(0, 1));
    v("temperature", temperature, "softens the outputs that are compared", above(0));
    v("server_lr", server_lr, "step along the mean update", above(0));
  }
};

class Flwf : public Strategy {
 public:
  explicit Flwf(const FlwfConfig& config) : config_(config) {}

  Traits traits() const override { return {.needs_rounds = true, .learns_stages = true}; }

  std::optional<Phase> next_phase(const ServerState& state, const WindowSums& window,
                                  const Recipe& base) const override {
    if (!window.phases.empty()) return std::nullopt;
    Phase phase = train_phase(base, exchanged(state.model.layout()).size());
    if (state.slots.contains("teacher")) phase.shared = {"teacher"};
    return phase;
  }

  std::map<std::string, double> advance(ServerState& state, const WindowSums& window) const override {
    const SliceSet slices = exchanged(state.model.layout());
    apply_mean_delta(state, slices, window.phase("train").slot("delta"), config_.server_lr);
    if (window.stage.last_window) {
      Tensor teacher = Tensor::zeros({static_cast<std::int64_t>(slices.size())});
      slices.gather(state.model.values(), teacher.data);
      state.slots["teacher"] = std::move(teacher);
    }
    return {};
  }

 private:
  FlwfConfig config_;
};

class TaughtObjective : public LocalObjective {
 public:
  explicit TaughtObjective(const FlwfConfig& config) : config_(config) {}

  bool corrects() const override { return false; }
  // The teacher meets each example by itself, within the loss whose gradient is made private.
  std::string privacy_gap(PrivacyUnit) const override { return {}; }

  void begin(TaskRun& run) const override {
    if (!run.shared.contains("teacher")) return;
    auto teacher = std::make_shared<Teacher>();
    teacher->parameters.assign(run.start.begin(), run.start.end());
    run.exchanged->scatter(run.shared_values("teacher", run.exchanged->size()), teacher->parameters);
    teacher->workspace = run.model->workspace(run.workspace->max_batch());
    teacher->taught.resize(run.model->outputs());
    teacher->learnt.resize(run.model->outputs());
    run.own = std::move(teacher);
  }

  LossSum loss(TaskRun& run, std::span<const float> logits, std::span<const float> features,
               const Batch& batch, std::span<float> logit_gradient) const override {
    LossSum sum = LocalObjective::loss(run, logits, features, batch, logit_gradient);
    auto* teacher = static_cast<Teacher*>(run.own.get());
    if (teacher == nullptr) return sum;
    Batch unlabelled = batch;  // with labels the heads of other stages would be masked
    unlabelled.targets = nullptr;
    const std::span<const float> taught =
        run.model->forward(teacher->parameters, unlabelled, *teacher->workspace, {});
    sum.loss *= 1.0 - config_.alpha;
    for (float& value : logit_gradient) value *= static_cast<float>(1.0 - config_.alpha);
    if (run.task_heads)
      sum.loss += distil_heads(run, taught, batch, logit_gradient, *teacher);
    else
      for (std::size_t at = 0; at < logits.size(); at += run.model->outputs())
        sum.loss += distil(taught.subspan(at, run.model->outputs()), logits.subspan(at, run.model->outputs()),
                           logit_gradient.subspan(at, run.model->outputs()), 1.0, *teacher);
    return sum;
  }

 private:
  struct Teacher {
    FloatBuffer parameters;
    std::unique_ptr<Workspace> workspace;
    std::vector<double> taught;  // softened outputs of one example
    std::vector<double> learnt;
  };

  // Heads lie in the order of their stages, so those before an example's own are of earlier ones.
  double distil_heads(const TaskRun& run, std::span<const float> taught, const Batch& batch,
                      std::span<float> gradient, Teacher& teacher) const {
    const auto heads = logits_of_heads(*run.workspace);
    if (!heads)
      throw user_error(
          "strategy flwf with continual.heads: per_stage needs all heads' outputs, which train.parallel does "
          "not "
          "hand on; set train.parallel: 1");
    double loss = 0.0;
    for (std::size_t i = 0; i < batch.size; ++i) {
      const std::size_t row = i * heads->head_of.size();
      const std::size_t own = heads->head_of[static_cast<std::size_t>(batch.targets[i])].first;
      std::size_t earlier = 0;
      for (std::size_t at = 0; at < own; at = heads->head_of[at].second) ++earlier;
      for (std::size_t at = 0; at < own; at = heads->head_of[at].second) {
        const std::size_t size = heads->head_of[at].second - at;
        loss += distil(taught.subspan(row + at, size), heads->values.subspan(row + at, size),
                       gradient.subspan(row + at, size), 1.0 / static_cast<double>(earlier), teacher);
      }
    }
    return loss;
  }

  std::span<const double> softened(std::span<const float> logits, std::vector<double>& out) const {
    const auto largest = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
    double sum = 0.0;
    for (std::size_t i = 0; i < logits.size(); ++i)
      sum += out[i] = std::exp((static_cast<double>(logits[i]) - largest) / config_.temperature);
    for (std::size_t i = 0; i < logits.size(); ++i) out[i] /= sum;
    return {out.data(), logits.size()};
  }

  // Adds the teacher's pull on one example's outputs of one head; returns its part of the loss.
  double distil(std::span<const float> teacher, std::span<const float> student, std::span<float> gradient,
                double weight, Teacher& scratch) const {
    const double t = config_.temperature;
    const std::span<const double> taught = softened(teacher, scratch.taught);
    const std::span<const double> learnt = softened(student, scratch.learnt);
    double divergence = 0.0;
    for (std::size_t i = 0; i < taught.size(); ++i) {
      if (taught[i] > 0.0) divergence += taught[i] * std::log(taught[i] / std::max(learnt[i], 1e-300));
      gradient[i] += static_cast<float>(config_.alpha * weight * t * (learnt[i] - taught[i]));
    }
    return config_.alpha * weight * t * t * divergence;
  }

  FlwfConfig config_;
};

const RegisterAlgorithm<FlwfConfig, Flwf, TaughtObjective> kFlwf{
    {"flwf", "clients also learn to answer as the global model of the last stage's end did",
     "Usmanova, Portet, Lalanda, Vega: A Distillation-Based Approach Integrating Continual Learning and "
     "Federated "
     "Learning for Pervasive Services, 2021"}};

}  // namespace
}  // namespace fedloom
