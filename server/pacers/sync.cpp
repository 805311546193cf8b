// Synchronous rounds, as in FedAvg: a cohort starts together and the round closes when all of its goal is
// in. Over-selection starts more than the goal and takes the first (Bonawitz et al., "Towards Federated
// Learning at Scale", MLSys 2019); a deadline closes with whoever is in, if they are enough (the window
// rule of xaynet: a count and a time, each with a minimum), or else as soon as enough are.
#include <algorithm>
#include <cmath>

#include "core/messages.hpp"
#include "server/pacer.hpp"

namespace fedloom {
namespace {

struct SyncConfig {
  std::int64_t clients_per_round = 10;
  std::optional<double> fraction;
  double over_selection = 0.0;
  Duration deadline;
  std::int64_t min_clients = 1;
  Duration min_time;
  std::string weights = "examples";
  template <class Visitor>
  void visit(Visitor& v) {
    v.alias("cohort_size", "clients_per_round");
    v.alias("client_num_per_round", "clients_per_round");
    v("clients_per_round", clients_per_round, "clients whose updates make a round", at_least(1));
    v.alias("fraction_fit", "fraction");
    v("fraction", fraction, "share of the population instead of clients_per_round; 0 is one client",
      between(0, 1));
    v("over_selection", over_selection, "start this share more than needed and take the first",
      between(0, 10));
    v("deadline", deadline,
      "close the round after this time with whoever is in, or each phase of it where the strategy has "
      "several; 0s waits for all",
      at_least(0));
    v("min_clients", min_clients, "the fewest updates a deadline may close with", at_least(1));
    v("min_time", min_time,
      "keep the round (each phase of it) open at least so long, for more than the goal where more started",
      at_least(0));
    v("weights", weights, "how updates weigh", one_of({"examples", "uniform"}));
  }
};

class SyncPacer : public Pacer {
 public:
  SyncPacer(const SyncConfig& config, const TimeScale& scale) : config_(config), scale_(scale) {}

  std::uint64_t start(const WindowView& window) const override {
    return window.started > 0 ? 0 : largest_cohort(window.population);
  }

  std::uint64_t largest_cohort(std::uint64_t population) const override {
    // 1.1 * 100 is a little more than 110 in binary; that is not a 111th client.
    const double wanted =
        std::ceil(static_cast<double>(goal(population)) * (1.0 + config_.over_selection) - 1e-9);
    return std::min(population, static_cast<std::uint64_t>(wanted));
  }

  bool full(const WindowView& window) const override {
    // A sampler that starts more than it was asked for (`all`) wants every one of them.
    const bool as_asked = window.started <= largest_cohort(window.population);
    return window.live == 0 || (as_asked && window.accepted >= goal(window.population));
  }

  bool close(const WindowView& window) const override {
    const bool enough = window.accepted >= static_cast<std::uint64_t>(config_.min_clients);
    return (full(window) && window.looked >= earliest(window)) || (late(window) && enough);
  }

  std::optional<Tick> next_look(const WindowView& window) const override {
    if (window.looked < earliest(window)) return earliest(window);
    if (config_.deadline.nanoseconds == 0 || late(window)) return std::nullopt;
    return deadline(window);
  }

  Reason admit(const ContributionView& /*contribution*/) const override { return Reason::none; }

  std::uint64_t weight(const ContributionView& contribution, const ClientFacts& /*facts*/) const override {
    return config_.weights == "uniform" ? 1 : contribution.examples;
  }

  std::optional<double> normaliser(const WindowView& /*window*/,
                                   const ClientFacts& /*facts*/) const override {
    return std::nullopt;
  }
  bool overlaps() const override { return false; }

 private:
  Tick earliest(const WindowView& window) const {
    return config_.min_time.nanoseconds == 0 ? window.opened
                                             : window.opened + scale_.ticks(config_.min_time.seconds());
  }
  Tick deadline(const WindowView& window) const {
    return std::max(earliest(window), window.opened + scale_.ticks(config_.deadline.seconds()));
  }
  bool late(const WindowView& window) const {
    return config_.deadline.nanoseconds > 0 && window.looked >= deadline(window);
  }

  std::uint64_t goal(std::uint64_t population) const {
    if (!config_.fraction) return std::min(population, static_cast<std::uint64_t>(config_.clients_per_round));
    // McMahan et al.: max(C * K, 1).
    const double share = std::floor(*config_.fraction * static_cast<double>(population) + 1e-9);
    return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(share));
  }

  SyncConfig config_;
  TimeScale scale_;
};

const Registration<PacerRegistry, SyncConfig> kSync{
    {"sync", "rounds: a cohort starts together and the round waits for it",
     "McMahan et al., AISTATS 2017; over-selection: Bonawitz et al., MLSys 2019"},
    [](const SyncConfig& config, const TimeScale& scale) -> std::unique_ptr<Pacer> {
      return std::make_unique<SyncPacer>(config, scale);
    }};

}  // namespace
}  // namespace fedloom
