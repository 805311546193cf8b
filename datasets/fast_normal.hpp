// Standard normal numbers by the thousand, for generated data: the ziggurat of G. Marsaglia and W. W. Tsang,
// "The Ziggurat Method for Generating Random Variables", J. Stat. Software 5(8), 2000, in the form of J. A.
// Doornik, 2005, with separate bits for layer and value. About three times the speed of Random::normal;
// values carry 25 random bits, enough for float features, which is why noise for privacy does not come from
// here.
#pragma once

#include <span>

#include "core/random.hpp"

namespace fedloom {

class FastNormal {
 public:
  explicit FastNormal(const Random& random) : random_(random) {}

  double operator()();
  /// out[i] = mean + deviation * N(0, 1).
  void fill(std::span<float> out, double mean = 0.0, double deviation = 1.0);

 private:
  double tail(bool negative);

  Random random_;
};

}  // namespace fedloom
