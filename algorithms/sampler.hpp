// Who takes part. A sampler says who, the pacer how many and when.
// Each scheme is one file in samplers/; all are pure functions of the candidates and the keyed randomness.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/ids.hpp"
#include "core/random.hpp"
#include "core/registry.hpp"

namespace fedloom {

/// The clients a sampler may choose from. With `eligible` empty, all of them.
struct Candidates {
  std::uint64_t population = 0;
  std::function<bool(ClientId)> eligible;
  std::function<std::uint64_t(ClientId)> examples;

  /// Eligible clients, ascending. O(population).
  std::vector<ClientId> list() const;
};

class Sampler {
 public:
  virtual ~Sampler() = default;
  /// At most `count` distinct eligible clients, ascending; fewer when there are not as many.
  virtual std::vector<ClientId> choose(const Candidates& candidates, std::uint64_t count,
                                       Random& random) const = 0;
  /// Whether every client is in or out by a coin of its own, so that `count` is what a draw brings on
  /// average. A window then takes the one draw as it is, even an empty one. The amplification of privacy by
  /// sampling is proved for this.
  virtual bool independent() const { return false; }
  /// Clients that a draw of `count` brings on average where everybody is eligible.
  virtual std::uint64_t expected(std::uint64_t count, std::uint64_t population) const {
    return std::min(count, population);
  }
};

using SamplerRegistry = Registry<std::unique_ptr<Sampler>>;

}  // namespace fedloom
