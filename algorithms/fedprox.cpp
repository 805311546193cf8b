// FedProx. T. Li, A. K. Sahu, M. Zaheer, M. Sanjabi, A. Talwalkar, V. Smith, "Federated Optimization in
// Heterogeneous Networks", MLSys 2020.
//
//   client k minimises  F_k(w) + (mu / 2) |w - w^t|^2,  one step:  w <- w - lr (g + mu (w - w^t))
//   server: the example-weighted mean of deltas, as FedAvg
//
// mu = 0 is FedAvg. The paper's other half, keeping the partial work of stragglers, is a matter of the
// federation and not of the objective: `stragglers: {policy: keep}`.
#include "algorithms/algorithm.hpp"

namespace fedloom {
namespace {

struct FedProxConfig {
  double mu = 0.01;
  double server_lr = 1.0;
  template <class Visitor>
  void visit(Visitor& v) {
    v.alias("proximal_mu", "mu");
    v("mu", mu, "strength of the pull to the round's start model; 0 is FedAvg", at_least(0));
    v("server_lr", server_lr, "step along the mean update; 1 is the paper", above(0));
  }
};

class FedProx : public Strategy {
 public:
  explicit FedProx(const FedProxConfig& config) : config_(config) {}

  std::map<std::string, double> advance(ServerState& state, const WindowSums& window) const override {
    apply_mean_delta(state, exchanged(state.model.layout()), window.phase("train").slot("delta"),
                     config_.server_lr);
    return {};
  }

 private:
  FedProxConfig config_;
};

class ProximalObjective : public LocalObjective {
 public:
  explicit ProximalObjective(const FedProxConfig& config) : mu_(static_cast<float>(config.mu)) {}

  std::string privacy_gap(PrivacyUnit) const override { return {}; }

  void correct(TaskRun& run, std::span<float> gradient) const override {
    for (const SliceSet::Run& slice : run.exchanged->runs()) {
      if (slice.role != Role::trained) continue;
      for (std::size_t i = slice.offset; i < slice.offset + slice.size; ++i)
        gradient[i] += mu_ * (run.parameters[i] - run.start[i]);
    }
  }

 private:
  float mu_;
};

const RegisterAlgorithm<FedProxConfig, FedProx, ProximalObjective> kFedProx{
    {"fedprox", "FedAvg with a proximal pull to the start model",
     "Li, Sahu, Zaheer, Sanjabi, Talwalkar, Smith: Federated Optimization in Heterogeneous Networks, MLSys "
     "2020"}};

}  // namespace
}  // namespace fedloom
