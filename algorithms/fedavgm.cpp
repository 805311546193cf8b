// FedAvgM. T.-M. H. Hsu, H. Qi, M. Brown, "Measuring the Effects of Non-Identical Data Distribution for
// Federated Visual Classification", arXiv 1909.06335, 2019.
//
//   D = example-weighted mean delta;   v <- beta v + D;   w <- w + server_lr v      (v starts at 0)
//
// beta = 0 is FedAvg. No Nesterov step and no dampening. Statistics are averaged plainly.
#include "algorithms/algorithm.hpp"

namespace fedloom {
namespace {

struct FedAvgMConfig {
  double beta = 0.9;
  double server_lr = 1.0;
  template <class Visitor>
  void visit(Visitor& v) {
    v.alias("server_momentum", "beta");
    v("beta", beta, "server momentum; 0 is FedAvg", between(0, 0.9999));
    v("server_lr", server_lr, "server learning rate", above(0));
  }
};

class FedAvgM : public Strategy {
 public:
  explicit FedAvgM(const FedAvgMConfig& config) : config_(config) {}

  void start(ServerState& state, const PopulationInfo&) const override {
    state.slots["momentum"] =
        Tensor::zeros({static_cast<std::int64_t>(exchanged(state.model.layout()).size())});
  }

  std::map<std::string, double> advance(ServerState& state, const WindowSums& window) const override {
    const SlotSum& delta = window.phase("train").slot("delta");
    FloatBuffer& momentum = state.slots.at("momentum").data;
    const std::span<float> model = state.model.values();
    const SliceSet slices = exchanged(state.model.layout());
    std::size_t packed = 0;
    for (const SliceSet::Run& run : slices.runs())
      for (std::size_t i = run.offset; i < run.offset + run.size; ++i, ++packed) {
        if (run.role == Role::statistic) {
          model[i] = static_cast<float>(static_cast<double>(model[i]) + delta.mean(packed));
          continue;
        }
        const double v = config_.beta * static_cast<double>(momentum[packed]) + delta.mean(packed);
        momentum[packed] = static_cast<float>(v);
        model[i] = static_cast<float>(static_cast<double>(model[i]) + config_.server_lr * v);
      }
    return {};
  }

 private:
  FedAvgMConfig config_;
};

const RegisterAlgorithm<FedAvgMConfig, FedAvgM> kFedAvgM{
    {"fedavgm", "FedAvg with momentum on the server",
     "Hsu, Qi, Brown: Measuring the Effects of Non-Identical Data Distribution for Federated Visual "
     "Classification, "
     "arXiv 1909.06335, 2019"}};

}  // namespace
}  // namespace fedloom
