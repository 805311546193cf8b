// Numbers that pacers share: weights as integers, durations as ticks. The pacers are in pacers/.
#include "server/pacer.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace fedloom {

std::uint64_t weight_numerator(double value) {
  if (!(value >= 0.0 && value < 1048576.0))
    throw user_error(
        "a contribution would weigh {:.3g}; weights of a pacer stay below 2^20. Durations that differ too "
        "much, or "
        "the staleness function, make it so",
        value);
  if (value == 0.0) return 0;
  return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::llround(value * kWeightUnit)));
}

Tick TimeScale::ticks(double seconds) const {
  return std::max<Tick>(1, std::llround(seconds * ticks_per_second));
}

}  // namespace fedloom
