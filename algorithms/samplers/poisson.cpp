// Every client with the same probability, each by itself: cohorts vary around the size asked for. This is the
// sampling for which privacy of clients is accounted with a cohort's share of the population (McMahan,
// Ramage, Talwar, Zhang, "Learning Differentially Private Recurrent Language Models", ICLR 2018).
#include <cmath>

#include "algorithms/sampler.hpp"

namespace fedloom {
namespace {

class PoissonSampler : public Sampler {
 public:
  /// Each eligible client with probability min(1, count / population). Time and memory O(count).
  std::vector<ClientId> choose(const Candidates& candidates, std::uint64_t count,
                               Random& random) const override {
    if (count >= candidates.population) return candidates.list();
    std::vector<ClientId> chosen;
    // Clients passed over before the next one are geometric.
    const double scale =
        1.0 / std::log1p(-static_cast<double>(count) / static_cast<double>(candidates.population));
    for (double at = 0.0; count > 0; at += 1.0) {
      at += std::floor(std::log(1.0 - random.uniform()) * scale);
      if (!(at < static_cast<double>(candidates.population))) break;
      const auto client = static_cast<ClientId>(at);
      if (!candidates.eligible || candidates.eligible(client)) chosen.push_back(client);
    }
    return chosen;
  }
  bool independent() const override { return true; }
};

const Registration<SamplerRegistry, NoSettings> kPoisson{
    {"poisson", "every client by a coin of its own, so that cohorts vary in size; for privacy of clients",
     "McMahan, Ramage, Talwar, Zhang, ICLR 2018"},
    [](const NoSettings&) -> std::unique_ptr<Sampler> { return std::make_unique<PoissonSampler>(); }};

}  // namespace
}  // namespace fedloom
