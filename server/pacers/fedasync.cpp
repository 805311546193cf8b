// FedAsync (Xie, Koyejo, Gupta, "Asynchronous Federated Optimization", 2019): the server mixes each model
// that arrives into its own.
//
//   theta^{t+1} = (1 - alpha_t) theta^t + alpha_t w,   alpha_t = alpha s(staleness)
//               = theta^t + alpha_t (w - theta^t): a contribution relative to the current model
//
// `concurrency` clients are at work; one that ends makes room for another, drawn by the sampler. The paper's
// proximal term on clients is strategy fedprox.
#include <algorithm>

#include "server/pacer.hpp"
#include "server/staleness.hpp"

namespace fedloom {
namespace {

struct FedAsyncConfig {
  std::int64_t concurrency = 0;
  double alpha = 0.6;
  StalenessConfig staleness;
  std::optional<std::int64_t> max_staleness;
  template <class Visitor>
  void visit(Visitor& v) {
    v("concurrency", concurrency, "clients at work at a time; 0 is all", at_least(0));
    v("alpha", alpha, "share of an arriving model in the new one, before staleness; 1 replaces the model",
      Bounds{0.0, 1.0, true});
    v("staleness", staleness, "how alpha falls with staleness");
    v("max_staleness", max_staleness, "older contributions are not used; left out: all are", at_least(0));
  }
};

class FedAsyncPacer : public Pacer {
 public:
  explicit FedAsyncPacer(const FedAsyncConfig& config) : config_(config) {}

  std::uint64_t start(const WindowView& window) const override {
    return window.missing(largest_cohort(window.population));
  }
  std::uint64_t largest_cohort(std::uint64_t population) const override {
    return config_.concurrency == 0 ? population
                                    : std::min(population, static_cast<std::uint64_t>(config_.concurrency));
  }
  bool close(const WindowView& window) const override { return window.accepted >= 1; }
  bool full(const WindowView& window) const override { return close(window); }
  std::optional<Tick> next_look(const WindowView& /*window*/) const override { return std::nullopt; }
  Reason admit(const ContributionView& contribution) const override {
    const bool old =
        config_.max_staleness && contribution.staleness > static_cast<std::uint64_t>(*config_.max_staleness);
    return old ? Reason::stale : Reason::none;
  }
  std::uint64_t weight(const ContributionView& contribution, const ClientFacts& /*facts*/) const override {
    return weight_numerator(config_.alpha * config_.staleness.weight(contribution.staleness));
  }
  std::optional<double> normaliser(const WindowView& /*window*/,
                                   const ClientFacts& /*facts*/) const override {
    return kWeightUnit;
  }
  bool overlaps() const override { return true; }
  Base base() const override { return Base::current; }

 private:
  FedAsyncConfig config_;
};

const Registration<PacerRegistry, FedAsyncConfig> kFedAsync{
    {"fedasync", "each arriving model is mixed into the server's", "Xie, Koyejo, Gupta 2019"},
    [](const FedAsyncConfig& config, const TimeScale&) -> std::unique_ptr<Pacer> {
      return std::make_unique<FedAsyncPacer>(config);
    }};

}  // namespace
}  // namespace fedloom
