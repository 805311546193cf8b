// FedFix (Fraboni, Vidal, Kameni, Lorenzi, "A General Theory for Federated Optimization with Asynchronous and
// Heterogeneous Clients Updates", JMLR 24, 2023): the server updates at fixed times, window n closes at
// (n + 1) dt whoever is in. A client that has finished waits for the end of the window and starts anew from
// the new model; the others go on.
//
//   theta^{n+1} = theta^n + eta_g sum_{i in S_n} d_i (theta_i^K - theta^{rho_i(n)})
//   d_i   ceil(T_i / dt) p_i   unbiased: client i takes part in one of ceil(T_i / dt) windows
//         p_i                  identical: fast clients count more often, the optimum is biased towards them
//   p_i   share of the examples, or 1 / M;   T_i   duration of client i's task;   dt   `window`
//
// dt >= max T_i is synchronous FedAvg to the bit. Durations that vary give d_i = E[ceil(T_i / dt)] p_i.
// eta_g is the strategy's server_lr.
#include "core/config.hpp"
#include "core/error.hpp"
#include "server/fixed_windows.hpp"

namespace fedloom {
namespace {

constexpr double kMostExact = 4503599627370496.0;  // 2^52: integers that sums hold exactly

struct FedFixConfig {
  Duration window{1'000'000'000};
  std::string weights = "unbiased";
  std::string importance = "examples";
  template <class Visitor>
  void visit(Visitor& v) {
    v.alias("dt", "window");
    v("window", window, "time between two updates of the server", above(0));
    v("weights", weights, "unbiased: ceil(T_i / window) p_i; identical: p_i",
      one_of({"unbiased", "identical"}));
    v("importance", importance, "p_i: share of the examples, or the same for all clients",
      one_of({"examples", "uniform"}));
  }
};

class FedFixPacer : public FixedWindowPacer {
 public:
  FedFixPacer(const FedFixConfig& config, const TimeScale& scale)
      : FixedWindowPacer(scale.ticks(config.window.seconds())), config_(config) {}

  std::uint64_t weight(const ContributionView& contribution, const ClientFacts& facts) const override {
    const std::uint64_t importance = uniform() ? 1 : contribution.examples;
    if (!unbiased()) return importance;
    const double windows = facts.mean_periods(contribution.client, period());
    if (facts.exact()) {
      if (windows * static_cast<double>(importance) >= kMostExact)
        throw user_error("pacer fedfix: a task of client {} lasts {:.3g} windows; make window longer",
                         contribution.client, windows);
      return static_cast<std::uint64_t>(windows) * importance;
    }
    return weight_numerator(windows * static_cast<double>(importance) / everybody(facts));
  }

  std::optional<double> normaliser(const WindowView& /*window*/, const ClientFacts& facts) const override {
    return unbiased() && !facts.exact() ? kWeightUnit : everybody(facts);
  }

 private:
  bool uniform() const { return config_.importance == "uniform"; }
  bool unbiased() const { return config_.weights == "unbiased"; }
  double everybody(const ClientFacts& facts) const {
    return static_cast<double>(uniform() ? facts.clients() : facts.all_examples());
  }

  FedFixConfig config_;
};

const Registration<PacerRegistry, FedFixConfig> kFedFix{
    {"fedfix", "the server updates at fixed times with whoever has finished", "Fraboni et al., JMLR 2023"},
    [](const FedFixConfig& config, const TimeScale& scale) -> std::unique_ptr<Pacer> {
      return std::make_unique<FedFixPacer>(config, scale);
    }};

}  // namespace
}  // namespace fedloom
