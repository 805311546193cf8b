// Asynchronous FedAvg as Fraboni, Vidal, Kameni and Lorenzi (JMLR 24, 2023) analyse it: all clients are
// always at work; the server updates at each arrival, and the client starts anew from the new model.
//
//   theta^{n+1} = theta^n + eta_g d_i (theta_i^K - theta^{rho_i(n)})
//   d_i   p_i T_i sum_j 1 / T_j   unbiased: client i brings one in (T_i sum_j 1 / T_j) of the arrivals
//         1                       identical: the optimum is biased towards fast clients
//
// Durations that vary enter by their means. Arrivals at one tick are updates of their own, lowest client
// first; all of them restart after the last.
#include "core/config.hpp"
#include "server/pacer.hpp"

namespace fedloom {
namespace {

struct AsyncFedAvgConfig {
  std::string weights = "unbiased";
  std::string importance = "examples";
  template <class Visitor>
  void visit(Visitor& v) {
    v("weights", weights, "unbiased: p_i T_i sum_j 1/T_j; identical: every update in full",
      one_of({"unbiased", "identical"}));
    v("importance", importance, "p_i: share of the examples, or the same for all clients",
      one_of({"examples", "uniform"}));
  }
};

class AsyncFedAvgPacer : public Pacer {
 public:
  explicit AsyncFedAvgPacer(const AsyncFedAvgConfig& config) : config_(config) {}

  std::uint64_t start(const WindowView& window) const override { return window.missing(window.population); }
  std::uint64_t largest_cohort(std::uint64_t population) const override { return population; }
  bool close(const WindowView& window) const override { return window.accepted >= 1; }
  bool full(const WindowView& window) const override { return close(window); }
  std::optional<Tick> next_look(const WindowView& /*window*/) const override { return std::nullopt; }
  Reason admit(const ContributionView& /*contribution*/) const override { return Reason::none; }

  std::uint64_t weight(const ContributionView& contribution, const ClientFacts& facts) const override {
    if (config_.weights == "identical") return weight_numerator(1.0);
    const double share = config_.importance == "uniform" ? 1.0 / static_cast<double>(facts.clients())
                                                         : static_cast<double>(contribution.examples) /
                                                               static_cast<double>(facts.all_examples());
    return weight_numerator(share * facts.mean_duration(contribution.client) * facts.total_rate());
  }
  std::optional<double> normaliser(const WindowView& /*window*/,
                                   const ClientFacts& /*facts*/) const override {
    return kWeightUnit;
  }
  bool overlaps() const override { return true; }

 private:
  AsyncFedAvgConfig config_;
};

const Registration<PacerRegistry, AsyncFedAvgConfig> kAsyncFedAvg{
    {"async_fedavg", "an update of the server at each arrival, from all clients at once",
     "Fraboni et al., JMLR 2023"},
    [](const AsyncFedAvgConfig& config, const TimeScale&) -> std::unique_ptr<Pacer> {
      return std::make_unique<AsyncFedAvgPacer>(config);
    }};

}  // namespace
}  // namespace fedloom
