// Every eligible client, in every window: the cross-silo setting. The pacer's count is not a limit here.
// It needs no randomness and is what deployed federations of a few institutions use.
#include "algorithms/sampler.hpp"

namespace fedloom {
namespace {

class AllSampler : public Sampler {
 public:
  std::vector<ClientId> choose(const Candidates& candidates, std::uint64_t /*count*/,
                               Random&) const override {
    return candidates.list();
  }
  bool independent() const override { return true; }  // with a coin that has one side
  std::uint64_t expected(std::uint64_t /*count*/, std::uint64_t population) const override {
    return population;
  }
};

const Registration<SamplerRegistry, NoSettings> kAll{
    {"all", "every available client in every round", ""},
    [](const NoSettings&) -> std::unique_ptr<Sampler> { return std::make_unique<AllSampler>(); }};

}  // namespace
}  // namespace fedloom
