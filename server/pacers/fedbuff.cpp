// FedBuff (Nguyen et al., "Federated Learning with Buffered Asynchronous Aggregation", AISTATS 2022): the
// server updates when K contributions are in; clients never wait for each other.
//
//   theta' = theta + eta_g / K sum_{i in buffer} s(staleness_i) (w_i - theta^{start_i}),   s = 1 / sqrt(1 +
//   .)
//
// `concurrency` clients are at work; one that ends makes room for another at once. `weights: examples`
// multiplies by n_i over the mean client's. `release: at_aggregation` is FedBuff as the FedFix paper compares
// with it (Fraboni et al., JMLR 2023): all clients are at work, one that has finished waits for the update.
// There `weights: unbiased` gives d_i = p_i / f_i, with f_i the share of the updates that client i is in,
// counted on a schedule of `horizon` updates simulated beforehand from the clients' mean durations.
#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "core/error.hpp"
#include "server/pacer.hpp"
#include "server/staleness.hpp"

namespace fedloom {
namespace {

struct FedBuffConfig {
  std::int64_t buffer = 10;
  std::int64_t concurrency = 0;
  std::string release = "at_once";
  std::string weights = "uniform";
  std::string importance = "examples";
  std::string normalise = "count";
  StalenessConfig staleness;
  std::optional<std::int64_t> max_staleness;
  std::int64_t horizon = 10000;
  template <class Visitor>
  void visit(Visitor& v) {
    v.alias("buffer_size", "buffer");
    v.alias("aggregation_goal", "buffer");
    v("buffer", buffer, "K: contributions that make an update of the server", at_least(1));
    v("concurrency", concurrency, "clients at work at a time; 0 is all", at_least(0));
    v("release", release, "when a client that has finished makes room for the next",
      one_of({"at_once", "at_aggregation"}));
    v("weights", weights,
      "uniform, or by examples relative to the mean client; unbiased: p_i over the share of updates that "
      "client i is in, with release: at_aggregation",
      one_of({"uniform", "examples", "unbiased"}));
    v("importance", importance, "unbiased: p_i is the share of the examples, or the same for all clients",
      one_of({"examples", "uniform"}));
    v("normalise", normalise, "divide by K, or by the sum of the weights", one_of({"count", "weights"}));
    v("staleness", staleness, "how a contribution's weight falls with staleness");
    v("max_staleness", max_staleness, "older contributions are not used; left out: all are", at_least(0));
    v("horizon", horizon, "unbiased: updates of the simulated schedule", between(1, 1e7));
  }
};

// The share of `updates` updates that each client is in, when every update takes the K that are done first,
// at one tick the lowest clients, and they start anew together.
std::vector<double> participation(const ClientFacts& facts, std::uint64_t buffer, std::int64_t updates) {
  std::set<std::pair<double, ClientId>> returns;
  for (ClientId client = 0; client < facts.clients(); ++client)
    returns.emplace(facts.mean_duration(client), client);
  std::vector<double> share(facts.clients(), 0.0);
  std::vector<ClientId> in;
  for (std::int64_t update = 0; update < updates; ++update) {
    in.clear();
    double now = 0.0;
    for (; in.size() < std::min<std::size_t>(buffer, share.size()); returns.erase(returns.begin())) {
      now = returns.begin()->first;
      in.push_back(returns.begin()->second);
    }
    for (const ClientId client : in) {
      share[client] += 1.0 / static_cast<double>(updates);
      returns.emplace(now + facts.mean_duration(client), client);
    }
  }
  return share;
}

class FedBuffPacer : public Pacer {
 public:
  explicit FedBuffPacer(const FedBuffConfig& config) : config_(config) {
    if (config.weights == "unbiased" && config.release != "at_aggregation")
      throw user_error(
          "pacer fedbuff: weights: unbiased needs release: at_aggregation, where the share of updates that a "
          "client is in follows from the durations");
    if (config.weights == "unbiased" && config.concurrency != 0)
      throw user_error("pacer fedbuff: weights: unbiased needs all clients at work; leave concurrency out");
  }

  std::uint64_t start(const WindowView& window) const override {
    const bool others_wait = window.live > 0 || window.accepted > 0;
    if (waits() && !window.opening && others_wait) return 0;
    return window.missing(largest_cohort(window.population));
  }
  std::uint64_t largest_cohort(std::uint64_t population) const override {
    return config_.concurrency == 0 ? population
                                    : std::min(population, static_cast<std::uint64_t>(config_.concurrency));
  }
  bool close(const WindowView& window) const override {
    // Clients that wait for the update must not wait for ever: where all have ended, who is in makes it.
    const bool all_wait = waits() && !window.opening && window.live == 0 && window.accepted > 0;
    return full(window) || all_wait;
  }
  bool full(const WindowView& window) const override { return window.accepted >= goal(window.population); }
  std::optional<Tick> next_look(const WindowView& /*window*/) const override { return std::nullopt; }
  Reason admit(const ContributionView& contribution) const override {
    const bool old =
        config_.max_staleness && contribution.staleness > static_cast<std::uint64_t>(*config_.max_staleness);
    return old ? Reason::stale : Reason::none;
  }

  std::uint64_t weight(const ContributionView& contribution, const ClientFacts& facts) const override {
    double weight = config_.staleness.weight(contribution.staleness);
    const double clients = static_cast<double>(facts.clients());
    const double share =
        static_cast<double>(contribution.examples) / static_cast<double>(facts.all_examples());
    if (config_.weights == "examples") weight *= share * clients;
    if (config_.weights == "unbiased") {
      if (!facts.planned())
        throw user_error(
            "pacer fedbuff: weights: unbiased needs durations that are known beforehand, so it is for "
            "simulations");
      if (shares_.empty()) shares_ = participation(facts, goal(facts.clients()), config_.horizon);
      const double importance = config_.importance == "uniform" ? 1.0 / clients : share;
      // A client that is in none of the simulated updates would be in less than one.
      const double least = 1.0 / static_cast<double>(config_.horizon);
      weight *= importance / std::max(shares_[contribution.client], least);
    }
    return weight_numerator(weight);
  }

  std::optional<double> normaliser(const WindowView& window, const ClientFacts& /*facts*/) const override {
    if (config_.weights == "unbiased") return kWeightUnit;
    if (config_.normalise == "weights") return std::nullopt;
    return static_cast<double>(goal(window.population)) * kWeightUnit;
  }
  bool overlaps() const override { return true; }
  bool waits() const override { return config_.release == "at_aggregation"; }

 private:
  // Where clients wait for the update there are never more in it than are at work.
  std::uint64_t goal(std::uint64_t population) const {
    const auto buffer = static_cast<std::uint64_t>(config_.buffer);
    return waits() ? std::min(buffer, largest_cohort(population)) : buffer;
  }

  FedBuffConfig config_;
  mutable std::vector<double> shares_;  // of updates, by client; computed when first needed
};

const Registration<PacerRegistry, FedBuffConfig> kFedBuff{
    {"fedbuff", "an update of the server whenever K contributions are in", "Nguyen et al., AISTATS 2022"},
    [](const FedBuffConfig& config, const TimeScale&) -> std::unique_ptr<Pacer> {
      return std::make_unique<FedBuffPacer>(config);
    }};

}  // namespace
}  // namespace fedloom
