// Uniform sampling without replacement, as in FedAvg. Memory O(count) for any population.
// Floyd's algorithm (Random::choose) where everybody is eligible, rejection where nearly everybody is.
#include <algorithm>
#include <set>

#include "algorithms/sampler.hpp"

namespace fedloom {
namespace {

class UniformSampler : public Sampler {
 public:
  std::vector<ClientId> choose(const Candidates& candidates, std::uint64_t count,
                               Random& random) const override {
    if (!candidates.eligible)
      return random.choose(candidates.population, std::min(count, candidates.population));
    // Drawing and rejecting is uniform and cheap while most clients are eligible …
    std::set<ClientId> chosen;
    for (std::uint64_t tries = 0; chosen.size() < count && tries < 16 * count + 64; ++tries) {
      const ClientId client = random.below(candidates.population);
      if (candidates.eligible(client)) chosen.insert(client);
    }
    if (chosen.size() == count) return {chosen.begin(), chosen.end()};
    // … and when few are, they are listed once.
    const std::vector<ClientId> list = candidates.list();
    std::vector<ClientId> picked;
    for (const std::uint64_t index : random.choose(list.size(), std::min<std::uint64_t>(count, list.size())))
      picked.push_back(list[index]);
    return picked;
  }
};

const Registration<SamplerRegistry, NoSettings> kUniform{
    {"uniform", "uniformly at random, without replacement", "McMahan et al., AISTATS 2017"},
    [](const NoSettings&) -> std::unique_ptr<Sampler> { return std::make_unique<UniformSampler>(); }};

}  // namespace
}  // namespace fedloom
