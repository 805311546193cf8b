// Federated EWC. J. Kirkpatrick et al., "Overcoming catastrophic forgetting in neural networks", PNAS 2017,
// with the Fisher information of each stage gathered from its clients, and a FedAvg round as the step.
//
//   stage t's end   model w_t;  F_t = example-weighted mean over clients of the diagonal of their Fisher
//   information
//                   at w_t, in a phase of its own;   P <- decay P + F_t,   Q <- decay Q + F_t w_t
//   clients         minimise  F_k(w) + (lambda / 2) sum_t F_t (w - w_t)^2,   one step:  g + lambda (P w - Q)
//   server          the example-weighted mean of deltas
//
// Two vectors hold all stages, since the sum of quadratics is one (decay 1 is the paper; below 1 it is online
// EWC, J. Schwarz et al., ICML 2018).
#include "algorithms/algorithm.hpp"
#include "algorithms/continual/fisher.hpp"

namespace fedloom {
namespace {

struct EwcConfig {
  double lambda = 100.0;
  double decay = 1.0;
  double server_lr = 1.0;
  FisherSettings fisher;
  template <class Visitor>
  void visit(Visitor& v) {
    v("lambda", lambda, "strength of the pull to the models of earlier stages; 0 is FedAvg", at_least(0));
    v("decay", decay, "what the earlier stages keep of their weight when another is added; 1 is the paper",
      between(0, 1));
    v("server_lr", server_lr, "step along the mean update", above(0));
    v("fisher", fisher, "how the Fisher information is computed");
  }
};

constexpr const char* kFisher = "fisher";
constexpr double kFisherRange = 1 << 20;  // squares of gradients

class Ewc : public Strategy {
 public:
  explicit Ewc(const EwcConfig& config) : config_(config) {}

  Traits traits() const override {
    return {.several_phases = true, .sums_beside_delta = true, .needs_rounds = true, .learns_stages = true};
  }

  std::optional<Phase> next_phase(const ServerState& state, const WindowSums& window,
                                  const Recipe& base) const override {
    const std::size_t size = exchanged(state.model.layout()).size();
    if (window.phases.empty()) {
      Phase phase = train_phase(base, size);
      if (state.slots.contains("precision")) phase.shared = {"precision", "precision_mean"};
      return phase;
    }
    if (!window.stage.last_window || window.has(kFisher)) return std::nullopt;
    Phase phase;
    phase.kind = kFisher;
    phase.cohort = Phase::Cohort::same;
    phase.recipe = base;
    phase.slots = {{.name = kFisher, .size = size, .range = kFisherRange}};
    phase.on_new_model = true;
    return phase;
  }

  std::map<std::string, double> advance(ServerState& state, const WindowSums& window) const override {
    const SliceSet slices = exchanged(state.model.layout());
    if (!window.has(kFisher)) {
      apply_mean_delta(state, slices, window.phase("train").slot("delta"), config_.server_lr);
      return {};
    }
    const SlotSum& fisher = window.phase(kFisher).slot(kFisher);
    Tensor model = Tensor::zeros({static_cast<std::int64_t>(slices.size())});
    slices.gather(state.model.values(), model.data);
    Tensor& precision = state.slots.try_emplace("precision", Tensor::zeros(model.shape)).first->second;
    Tensor& mean = state.slots.try_emplace("precision_mean", Tensor::zeros(model.shape)).first->second;
    double total = 0.0;
    for (std::size_t i = 0; i < fisher.size(); ++i) {
      const double f = fisher.mean(i);
      total += f;
      precision.data[i] = static_cast<float>(config_.decay * static_cast<double>(precision.data[i]) + f);
      mean.data[i] = static_cast<float>(config_.decay * static_cast<double>(mean.data[i]) +
                                        f * static_cast<double>(model.data[i]));
    }
    return {{"fisher_trace", total}};
  }

 private:
  EwcConfig config_;
};

class AnchoredObjective : public LocalObjective {
 public:
  explicit AnchoredObjective(const EwcConfig& config)
      : lambda_(static_cast<float>(config.lambda)), settings_(config.fisher) {}

  std::string privacy_gap(PrivacyUnit) const override {
    return "it returns Fisher information of the examples";
  }

  void work(std::string_view kind, TaskRun& run) const override {
    if (kind != kFisher) train_locally(*this, run);
  }

  void correct(TaskRun& run, std::span<float> gradient) const override {
    if (!run.shared.contains("precision")) return;
    const std::span<const float> p = run.shared_values("precision", run.exchanged->size());
    const std::span<const float> q = run.shared_values("precision_mean", run.exchanged->size());
    std::size_t packed = 0;
    for (const SliceSet::Run& slice : run.exchanged->runs()) {
      for (std::size_t i = slice.offset; i < slice.offset + slice.size; ++i, ++packed)
        if (slice.role == Role::trained) gradient[i] += lambda_ * (p[packed] * run.parameters[i] - q[packed]);
    }
  }

  void finish(TaskRun& run, Update& update) const override {
    if (run.task->kind != kFisher) return LocalObjective::finish(run, update);
    update.slots.push_back(Payload::from(kFisher, fisher_diagonal(run, run.parameters, settings_)));
  }

 private:
  float lambda_;
  FisherSettings settings_;
};

const RegisterAlgorithm<EwcConfig, Ewc, AnchoredObjective> kEwc{
    {"ewc", "pulls parameters to their values of earlier stages, each as much as those stages depend on it",
     "Kirkpatrick et al.: Overcoming catastrophic forgetting in neural networks, PNAS 2017"}};

}  // namespace
}  // namespace fedloom
