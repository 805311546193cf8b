// FedCurv. N. Shoham, T. Avidor, A. Keren, N. Israel, D. Benditkis, L. Mor-Yosef, I. Zeitak, "Overcoming
// Forgetting in Federated Learning on Non-IID Data", FL workshop at NeurIPS 2019.
//
//   client s   minimises  F_s(w) + lambda sum_{j != s} (w - w_j)^T I_j (w - w_j)  over the clients j of the
//   last round,
//              one step:  g + 2 lambda ((U - U_s) w - (V - V_s));   sends w_s - w, I_s and I_s w_s
//   server     the example-weighted mean of deltas,   U = sum I_j,  V = sum I_j w_j
//
// I_j is the diagonal of the Fisher information at w_j on the client's data. U_s and V_s are what this client
// sent in the round that they are from, zero if it had no part in it; it keeps them. Across stages it is EWC
// on what the last cohort knew.
#include "algorithms/algorithm.hpp"
#include "algorithms/continual/fisher.hpp"

namespace fedloom {
namespace {

struct FedCurvConfig {
  double lambda = 0.01;
  double server_lr = 1.0;
  FisherSettings fisher;
  template <class Visitor>
  void visit(Visitor& v) {
    v("lambda", lambda, "strength of the pull to the other clients' models; 0 is FedAvg", at_least(0));
    v("server_lr", server_lr, "step along the mean update; 1 is the paper", above(0));
    v("fisher", fisher, "how the Fisher information is computed");
  }
};

constexpr double kFisherRange = 1 << 20;           // squares of gradients
constexpr const char* kRound = "curvature_round";  // that U and V are from, or what a client kept

class FedCurv : public Strategy {
 public:
  explicit FedCurv(const FedCurvConfig& config) : config_(config) {}

  Traits traits() const override {
    return {.keeps_client_state = true, .sums_beside_delta = true, .needs_rounds = true};
  }

  std::optional<Phase> next_phase(const ServerState& state, const WindowSums& window,
                                  const Recipe& base) const override {
    if (!window.phases.empty()) return std::nullopt;
    const std::size_t size = exchanged(state.model.layout()).size();
    Phase phase = train_phase(base, size);
    for (const char* name : {"curvature", "curvature_mean"}) {
      phase.slots.push_back(
          {.name = name, .size = size, .weighting = Weighting::uniform, .range = kFisherRange});
      if (state.slots.contains(name)) phase.shared.emplace_back(name);
    }
    if (state.slots.contains(kRound)) phase.shared.emplace_back(kRound);
    return phase;
  }

  std::map<std::string, double> advance(ServerState& state, const WindowSums& window) const override {
    const PhaseSum& train = window.phase("train");
    apply_mean_delta(state, exchanged(state.model.layout()), train.slot("delta"), config_.server_lr);
    for (const char* name : {"curvature", "curvature_mean"}) {
      const SlotSum& sum = train.slot(name);
      Tensor total = Tensor::zeros({static_cast<std::int64_t>(sum.size())});
      for (std::size_t i = 0; i < sum.size(); ++i) total.data[i] = static_cast<float>(sum.total(i));
      state.slots[name] = std::move(total);
    }
    state.slots[kRound] = Tensor::scalar(static_cast<float>(window.window));
    return {};
  }

 private:
  FedCurvConfig config_;
};

class CurvedObjective : public LocalObjective {
 public:
  explicit CurvedObjective(const FedCurvConfig& config)
      : factor_(static_cast<float>(2.0 * config.lambda)), settings_(config.fisher) {}

  std::string privacy_gap(PrivacyUnit) const override {
    return "it returns Fisher information of the examples";
  }

  // What the others know: the sums without this client's part.
  void begin(TaskRun& run) const override {
    if (!run.shared.contains("curvature")) return;
    const auto round = run.kept.find(kRound);
    // Not always the round before this one, of which nobody's update may have been accepted.
    const bool took_part =
        round != run.kept.end() && round->second.data.at(0) == run.shared_values(kRound, 1)[0];
    for (const char* name : {"curvature", "curvature_mean"}) {
      const std::span<const float> sum = run.shared_values(name, run.exchanged->size());
      Tensor others = Tensor::vector({sum.begin(), sum.end()});
      if (took_part) {
        const FloatBuffer& own = run.kept_slot(name, sum.size()).data;
        for (std::size_t i = 0; i < sum.size(); ++i) others.data[i] -= own[i];
      }
      run.scratch[name] = std::move(others);
    }
  }

  void correct(TaskRun& run, std::span<float> gradient) const override {
    const auto u = run.scratch.find("curvature");
    if (u == run.scratch.end()) return;
    const FloatBuffer& v = run.scratch.at("curvature_mean").data;
    std::size_t packed = 0;
    for (const SliceSet::Run& slice : run.exchanged->runs())
      for (std::size_t i = slice.offset; i < slice.offset + slice.size; ++i, ++packed)
        if (slice.role == Role::trained)
          gradient[i] += factor_ * (u->second.data[packed] * run.parameters[i] - v[packed]);
  }

  void finish(TaskRun& run, Update& update) const override {
    update.slots.push_back(delta_payload(run));
    Tensor curvature = fisher_diagonal(run, run.parameters, settings_);
    Tensor mean = Tensor::zeros(curvature.shape);
    run.exchanged->gather(run.parameters, mean.data);
    for (std::size_t i = 0; i < mean.data.size(); ++i) mean.data[i] *= curvature.data[i];
    run.kept["curvature"] = curvature;
    run.kept["curvature_mean"] = mean;
    run.kept[kRound] = Tensor::scalar(static_cast<float>(run.task->window));
    update.slots.push_back(Payload::from("curvature", std::move(curvature)));
    update.slots.push_back(Payload::from("curvature_mean", std::move(mean)));
  }

 private:
  float factor_;
  FisherSettings settings_;
};

const RegisterAlgorithm<FedCurvConfig, FedCurv, CurvedObjective> kFedCurv{
    {"fedcurv", "pulls clients to each other's models, in each parameter as much as the other depends on it",
     "Shoham, Avidor, Keren, Israel, Benditkis, Mor-Yosef, Zeitak: Overcoming Forgetting in Federated "
     "Learning on "
     "Non-IID Data, FL workshop at NeurIPS 2019"}};

}  // namespace
}  // namespace fedloom
