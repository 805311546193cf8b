// A bracket and a root of ln epsilon as a function of ln noise, which is nearly straight.
#include "algorithms/privacy/calibration.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "algorithms/privacy/prv_accountant.hpp"
#include "algorithms/privacy/rdp_accountant.hpp"
#include "core/error.hpp"

namespace fedloom::privacy {

namespace {

constexpr double kLeastAnswer = 0.01;
constexpr double kPrecision = 1e-4;

// A noise and how far ln epsilon lies above the wanted one there.
struct Trial {
  double noise = 0.0;
  double excess = 0.0;
  bool enough() const { return excess <= 0.0; }
};

// The end of a bracket [low not enough, high enough] that is enough, once the two are close. Regula falsi
// with the Illinois rule; a step stays a little off the ends, so that both of them close in.
template <class Try>
double narrow(Trial low, Trial high, Try attempt) {
  for (int same_side = 0; high.noise > low.noise * (1.0 + kPrecision);) {
    const double width = std::log(high.noise / low.noise);
    double part = low.excess / (low.excess - high.excess);
    // Not finite where an epsilon is 0.
    part = std::isfinite(high.excess)
               ? std::clamp(part, 0.4 * kPrecision / width, 1.0 - 0.4 * kPrecision / width)
               : 0.5;
    const Trial next = attempt(low.noise * std::exp(part * width));
    if (next.enough()) {
      same_side = std::max(same_side, 0) + 1;
      high = next;
      if (same_side > 1) low.excess /= 2.0;
    } else {
      same_side = std::min(same_side, 0) - 1;
      low = next;
      if (same_side < -1) high.excess /= 2.0;
    }
  }
  return high.noise;
}

}  // namespace

double epsilon_of(Accounting accounting, double noise_multiplier, double sample_rate, std::int64_t steps,
                  double delta) {
  const std::array history{Release{{noise_multiplier, sample_rate}, steps}};
  return accounting == Accounting::rdp ? rdp_epsilon(history, delta).epsilon : prv_epsilon(history, delta);
}

double calibrated_noise(Accounting accounting, double epsilon, double delta, double sample_rate,
                        std::int64_t steps) {
  if (!(epsilon > 0.0 && std::isfinite(epsilon)))
    throw user_error("an epsilon of {}: it must be a finite number above 0", epsilon);
  const Release release{{1.0, sample_rate}, steps};
  require_valid(release);
  require_valid_delta(delta);
  if (reveals_nothing(release)) return 0.0;
  const auto attempt = [&](double noise) {
    return Trial{noise, std::log(epsilon_of(accounting, noise, sample_rate, steps, delta) / epsilon)};
  };
  // What is enough by the Rényi bound is enough by the tight one.
  const double start = accounting == Accounting::rdp
                           ? 1.0
                           : calibrated_noise(Accounting::rdp, epsilon, delta, sample_rate, steps);
  Trial high = attempt(start);
  while (!high.enough()) high = attempt(high.noise * 2.0);
  Trial low = high;
  for (double factor = 0.8; low.enough(); factor *= factor) {
    if (low.noise == kLeastAnswer) return kLeastAnswer;
    high = low;
    low = attempt(std::max(kLeastAnswer, low.noise * factor));
  }
  return narrow(low, high, attempt);
}

}  // namespace fedloom::privacy
