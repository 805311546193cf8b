// FedAvg. B. McMahan, E. Moore, D. Ramage, S. Hampson, B. Agüera y Arcas, "Communication-Efficient Learning
// of Deep Networks from Decentralized Data", AISTATS 2017.
//
//   each client k of the cohort S:  w_k <- E epochs of SGD from w
//   server:                         w <- w + server_lr * sum_S (n_k / n_S) (w_k - w),   n_S = sum_S n_k
//
// server_lr = 1 is the paper. The weighted mean runs over deltas instead of models, which is the same.
#include "algorithms/algorithm.hpp"

namespace fedloom {
namespace {

struct FedAvgConfig {
  double server_lr = 1.0;
  template <class Visitor>
  void visit(Visitor& v) {
    v("server_lr", server_lr, "step along the mean update; 1 is the paper", above(0));
  }
};

class FedAvg : public Strategy {
 public:
  explicit FedAvg(const FedAvgConfig& config) : config_(config) {}

  std::map<std::string, double> advance(ServerState& state, const WindowSums& window) const override {
    apply_mean_delta(state, exchanged(state.model.layout()), window.phase("train").slot("delta"),
                     config_.server_lr);
    return {};
  }

 private:
  FedAvgConfig config_;
};

const RegisterAlgorithm<FedAvgConfig, FedAvg> kFedAvg{
    {"fedavg", "weighted average of locally trained models",
     "McMahan, Moore, Ramage, Hampson, Agüera y Arcas: Communication-Efficient Learning of Deep Networks "
     "from "
     "Decentralized Data, AISTATS 2017"}};

}  // namespace
}  // namespace fedloom
