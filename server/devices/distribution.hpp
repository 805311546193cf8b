// How a number differs from client to client, or from task to task: the speed of a device, the rate of a
// link, the jitter of a duration. The named families are distributions.cpp; which one a key has is said in
// the experiment file. What a number means (seconds, bytes per second, a factor) is its owner's business.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/ids.hpp"
#include "core/quantity.hpp"
#include "core/random.hpp"
#include "core/registry.hpp"

namespace fedloom {

/// Whose number is drawn. Most families look at the randomness alone; a ladder needs to know the rung.
struct DrawnFor {
  ClientId client = 0;           // < population
  std::uint64_t population = 1;  // >= 1
};

/// Immutable; a draw is a pure function of its arguments.
class Distribution {
 public:
  virtual ~Distribution() = default;
  /// >= 0, never NaN; heavy tails may give infinity.
  virtual double draw(const DrawnFor& whose, Random& random) const = 0;
};

/// Built for what the numbers count; settings in another unit are refused (UserError).
using DistributionRegistry = Registry<std::unique_ptr<Distribution>, Measure>;

/// values[client mod size]: measured devices, one after the other. `values` are >= 0 and not empty.
std::unique_ptr<Distribution> listed_values(std::vector<double> values);

}  // namespace fedloom
