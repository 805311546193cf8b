// The functions of staleness.hpp.
#include "server/staleness.hpp"

#include <cmath>

namespace fedloom {

double StalenessConfig::weight(std::uint64_t staleness) const {
  const auto s = static_cast<double>(staleness);
  if (function == "constant") return 1.0;
  if (function == "hinge") return s <= from ? 1.0 : 1.0 / (slope * (s - from) + 1.0);
  return std::pow((1.0 + average) / (1.0 + s), exponent);
}

}  // namespace fedloom
