// Semi-synchronous training (Stripelis, Thompson, Ambite, "Semi-Synchronous Federated Learning for
// Energy-Efficient Training and Accelerated Convergence in Cross-Silo Settings", ACM TIST 2022): all clients
// meet at fixed times, and each does as many local steps as fit before: fast clients train more, nobody
// idles.
//
//   steps_i = max { k : T_i(k) <= window }, at least 1;   theta' = theta + eta_g sum_i p_i (theta_i - theta)
//
// T_i(k) comes from the device profiles or from what this client's tasks took so far. Until one has ended,
// and where profiles give a task a fixed time whatever its steps, a task has the recipe's own steps. A task
// that does not fit counts in the window in which it ends.
#include <algorithm>

#include "core/config.hpp"
#include "server/fixed_windows.hpp"

namespace fedloom {
namespace {

constexpr std::int64_t kMostSteps = std::int64_t{1} << 24;

struct SemiSyncConfig {
  Duration window{1'000'000'000};
  std::string weights = "examples";
  template <class Visitor>
  void visit(Visitor& v) {
    v("window", window, "time between two updates of the server", above(0));
    v("weights", weights, "how updates weigh", one_of({"examples", "uniform"}));
  }
};

class SemiSyncPacer : public FixedWindowPacer {
 public:
  SemiSyncPacer(const SemiSyncConfig& config, const TimeScale& scale)
      : FixedWindowPacer(scale.ticks(config.window.seconds())), config_(config) {}

  std::uint64_t weight(const ContributionView& contribution, const ClientFacts& /*facts*/) const override {
    return config_.weights == "uniform" ? 1 : contribution.examples;
  }
  std::optional<double> normaliser(const WindowView& /*window*/,
                                   const ClientFacts& /*facts*/) const override {
    return std::nullopt;
  }

  bool sets_steps() const override { return true; }
  std::int64_t steps(ClientId client, const Recipe& /*recipe*/, const ClientFacts& facts) const override {
    const auto fits = [&](std::int64_t steps) {
      return facts.duration_of_steps(client, steps).value_or(period() + 1) <= period();
    };
    if (!facts.duration_of_steps(client, 1)) return 0;
    // A task's duration grows with its steps: double, then halve.
    std::int64_t above = 1;
    while (above < kMostSteps && fits(above)) above *= 2;
    if (above == kMostSteps) return 0;  // the time of a task is fixed
    std::int64_t low = std::max<std::int64_t>(1, above / 2);
    while (low + 1 < above) {
      const std::int64_t middle = low + (above - low) / 2;
      (fits(middle) ? low : above) = middle;
    }
    return low;
  }

 private:
  SemiSyncConfig config_;
};

const Registration<PacerRegistry, SemiSyncConfig> kSemiSync{
    {"semi_sync", "fixed windows in which each client does as many steps as fit",
     "Stripelis et al., ACM TIST 2022"},
    [](const SemiSyncConfig& config, const TimeScale& scale) -> std::unique_ptr<Pacer> {
      return std::make_unique<SemiSyncPacer>(config, scale);
    }};

}  // namespace
}  // namespace fedloom
