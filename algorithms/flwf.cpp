// FLwF. A. Usmanova, F. Portet, P. Lalanda, G. Vega, "A Distillation-Based Approach Integrating Continual
// Learning and Federated Learning for Pervasive Services", 2021: learning without forgetting (Z. Li, D.
// Hoiem, ECCV 2016) on every client, with the global model of the last stage's end as the teacher.
//
//   client   loss = (1 - alpha) cross-entropy + alpha T^2 KL(softmax(teacher / T) || softmax(student / T))
//            its gradient by the logits:  (1 - alpha) (p - y) + alpha T (q_student - q_teacher)
//   server   the example-weighted mean of deltas; at a stage's end its model becomes the teacher
//
// In the first stage there is no teacher, and it is FedAvg. The teacher is compared on all outputs, so there
// must be one head. Deviation: the variant with one teacher; the factor T^2 keeps the two gradients of one
// size (G. Hinton et al., 2015).
#include <algorithm>
#include <cmath>

#include "algorithms/algorithm.hpp"

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

  Traits traits() const override { return {.needs_rounds = true}; }

  void start(ServerState&, const PopulationInfo& population) const override {
    if (population.task_heads)
      throw user_error(
          "strategy flwf compares a model with its teacher on all outputs, and with continual.heads: "
          "per_stage only "
          "those of one stage count; set heads: single");
  }

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
    const auto sent = run.shared.find("teacher");
    if (sent == run.shared.end()) return;
    auto teacher = std::make_shared<Teacher>();
    teacher->parameters.assign(run.start.begin(), run.start.end());
    run.exchanged->scatter(sent->second.values(), teacher->parameters);
    teacher->workspace = run.model->workspace(run.workspace->max_batch());
    run.own = std::move(teacher);
  }

  LossSum loss(TaskRun& run, std::span<const float> logits, std::span<const float> features,
               const Batch& batch, std::span<float> logit_gradient) const override {
    LossSum sum = LocalObjective::loss(run, logits, features, batch, logit_gradient);
    auto* teacher = static_cast<Teacher*>(run.own.get());
    if (teacher == nullptr) return sum;
    const std::span<const float> taught =
        run.model->forward(teacher->parameters, batch, *teacher->workspace, {});
    const std::size_t outputs = run.model->outputs();
    sum.loss *= 1.0 - config_.alpha;
    for (std::size_t i = 0; i < batch.size; ++i)
      sum.loss += distil(taught.subspan(i * outputs, outputs), logits.subspan(i * outputs, outputs),
                         logit_gradient.subspan(i * outputs, outputs));
    return sum;
  }

 private:
  struct Teacher {
    FloatBuffer parameters;
    std::unique_ptr<Workspace> workspace;
  };

  std::vector<double> softened(std::span<const float> logits) const {
    std::vector<double> q(logits.size());
    const auto largest = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
    double sum = 0.0;
    for (std::size_t i = 0; i < q.size(); ++i)
      sum += q[i] = std::exp((static_cast<double>(logits[i]) - largest) / config_.temperature);
    for (double& value : q) value /= sum;
    return q;
  }

  // Mixes the gradient of one example; returns the teacher's part of its loss.
  double distil(std::span<const float> teacher, std::span<const float> student,
                std::span<float> gradient) const {
    const double t = config_.temperature;
    const std::vector<double> q_teacher = softened(teacher);
    const std::vector<double> q_student = softened(student);
    double divergence = 0.0;
    for (std::size_t i = 0; i < q_teacher.size(); ++i) {
      if (q_teacher[i] > 0.0)
        divergence += q_teacher[i] * std::log(q_teacher[i] / std::max(q_student[i], 1e-300));
      gradient[i] = static_cast<float>((1.0 - config_.alpha) * static_cast<double>(gradient[i]) +
                                       config_.alpha * t * (q_student[i] - q_teacher[i]));
    }
    return config_.alpha * t * t * divergence;
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
