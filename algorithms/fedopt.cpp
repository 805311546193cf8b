// FedOpt: FedAdagrad, FedAdam, FedYogi. S. J. Reddi, Z. Charles, M. Zaheer, Z. Garrett, K. Rush,
// J. Konečný, S. Kumar, H. B. McMahan, "Adaptive Federated Optimization", ICLR 2021, Algorithm 2.
//
//   D      example-weighted mean delta of the round
//   m <- beta1 m + (1 - beta1) D                                   (m starts at 0)
//   v <- v + D^2                                     FedAdagrad    (v starts at tau^2)
//   v <- beta2 v + (1 - beta2) D^2                   FedAdam
//   v <- v - (1 - beta2) D^2 sign(v - D^2)           FedYogi
//   w <- w + server_lr m / (sqrt(v) + tau)
//
// As in the paper there is no bias correction. Statistics are averaged plainly.
#include <cmath>

#include "algorithms/algorithm.hpp"

namespace fedloom {
namespace {

enum class SecondMoment { adagrad, adam, yogi };

template <SecondMoment kRule>
struct FedOptConfig {
  double server_lr = kRule == SecondMoment::yogi ? 0.01 : 0.1;
  double beta1 = kRule == SecondMoment::adagrad ? 0.0 : 0.9;
  double beta2 = 0.99;
  double tau = 1e-3;
  template <class Visitor>
  void visit(Visitor& v) {
    v.alias("eta", "server_lr");
    v("server_lr", server_lr, "server learning rate", above(0));
    v("beta1", beta1, "decay of the first moment", between(0, 0.9999));
    if (kRule != SecondMoment::adagrad) v("beta2", beta2, "decay of the second moment", between(0, 0.999999));
    v("tau", tau, "adaptivity: larger is closer to plain averaging", above(0));
  }
};

template <SecondMoment kRule>
class FedOpt : public Strategy {
 public:
  explicit FedOpt(const FedOptConfig<kRule>& config) : config_(config) {}

  void start(ServerState& state, const PopulationInfo&) const override {
    const auto size = static_cast<std::int64_t>(exchanged(state.model.layout()).size());
    state.slots["m"] = Tensor::zeros({size});
    state.slots["v"] = Tensor::zeros({size});
    for (float& v : state.slots["v"].data) v = static_cast<float>(config_.tau * config_.tau);
  }

  std::map<std::string, double> advance(ServerState& state, const WindowSums& window) const override {
    const SlotSum& delta = window.phase("train").slot("delta");
    FloatBuffer& first = state.slots.at("m").data;
    FloatBuffer& second = state.slots.at("v").data;
    const std::span<float> model = state.model.values();
    const SliceSet slices = exchanged(state.model.layout());
    std::size_t packed = 0;
    for (const SliceSet::Run& run : slices.runs())
      for (std::size_t i = run.offset; i < run.offset + run.size; ++i, ++packed) {
        const double d = delta.mean(packed);
        if (run.role == Role::statistic) {
          model[i] = static_cast<float>(static_cast<double>(model[i]) + d);
          continue;
        }
        const double m = config_.beta1 * static_cast<double>(first[packed]) + (1.0 - config_.beta1) * d;
        const double v = second_moment(static_cast<double>(second[packed]), d * d);
        first[packed] = static_cast<float>(m);
        second[packed] = static_cast<float>(v);
        model[i] = static_cast<float>(static_cast<double>(model[i]) +
                                      config_.server_lr * m / (std::sqrt(v) + config_.tau));
      }
    return {};
  }

 private:
  double second_moment(double v, double square) const {
    if constexpr (kRule == SecondMoment::adagrad) return v + square;
    if constexpr (kRule == SecondMoment::adam) return config_.beta2 * v + (1.0 - config_.beta2) * square;
    const double sign = v > square ? 1.0 : (v < square ? -1.0 : 0.0);
    return v - (1.0 - config_.beta2) * square * sign;
  }

  FedOptConfig<kRule> config_;
};

constexpr const char* kPaper =
    "Reddi, Charles, Zaheer, Garrett, Rush, Konečný, Kumar, McMahan: Adaptive Federated Optimization, ICLR "
    "2021";

template <SecondMoment kRule>
using Register = RegisterAlgorithm<FedOptConfig<kRule>, FedOpt<kRule>>;

const Register<SecondMoment::adagrad> kFedAdagrad{{"fedadagrad", "Adagrad on the server", kPaper}};
const Register<SecondMoment::adam> kFedAdam{{"fedadam", "Adam on the server", kPaper}};
const Register<SecondMoment::yogi> kFedYogi{{"fedyogi", "Yogi on the server", kPaper}};

}  // namespace
}  // namespace fedloom
