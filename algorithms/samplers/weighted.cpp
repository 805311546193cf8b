// Sampling without replacement with probability proportional to the number of examples: each client draws
// the key log(u) / n and the largest keys win (P. Efraimidis, P. Spirakis, "Weighted random sampling with a
// reservoir", Information Processing Letters 2006). O(population) per window.
//
// It belongs with `pacer.weights: uniform`: weighing the drawn updates by examples once more would favour
// large clients twice.
#include <algorithm>
#include <cmath>
#include <queue>

#include "algorithms/sampler.hpp"

namespace fedloom {
namespace {

class WeightedSampler : public Sampler {
 public:
  std::vector<ClientId> choose(const Candidates& candidates, std::uint64_t count,
                               Random& random) const override {
    using Keyed = std::pair<double, ClientId>;
    std::priority_queue<Keyed, std::vector<Keyed>, std::greater<>> best;  // smallest key on top
    for (const ClientId client : candidates.list()) {
      const double key = std::log1p(-random.uniform());
      const std::uint64_t examples = candidates.examples(client);
      if (examples == 0) continue;
      best.emplace(key / static_cast<double>(examples), client);
      if (best.size() > count) best.pop();
    }
    std::vector<ClientId> chosen;
    for (; !best.empty(); best.pop()) chosen.push_back(best.top().second);
    std::sort(chosen.begin(), chosen.end());
    return chosen;
  }
};

const Registration<SamplerRegistry, NoSettings> kWeighted{
    {"weighted",
     "with probability proportional to a client's number of examples; use with pacer.weights: uniform",
     "Efraimidis, Spirakis: Weighted random sampling with a reservoir, 2006"},
    [](const NoSettings&) -> std::unique_ptr<Sampler> { return std::make_unique<WeightedSampler>(); }};

}  // namespace
}  // namespace fedloom
