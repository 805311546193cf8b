// The mechanism of DP-SGD and what one step of it reveals: every example joins the batch with probability q
// on its own (Poisson sampling), the sum of gradients clipped to norm C gets noise N(0, (sigma C)^2). With C
// = 1 the outputs with and without one example are, in the worst case, distributed as
//   P = (1 - q) N(0, sigma^2) + q N(1, sigma^2)   and   Q = N(0, sigma^2).
// Not covered: shuffled or fixed-size batches, and neighbours of which one example is replaced. Sources:
// I. Mironov, K. Talwar, L. Zhang, "Rényi differential privacy of the sampled Gaussian mechanism", 2019;
// S. Gopi, Y. T. Lee, L. Wutschitz, "Numerical composition of differential privacy", NeurIPS 2021.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fedloom::privacy {

/// Less noise is counted as none: an epsilon of half a million per step means nothing, and costs much to work
/// out.
inline constexpr double kLeastNoise = 1e-3;

struct SampledGaussian {
  double noise_multiplier = 1.0;  // sigma >= 0; below kLeastNoise as good as none
  double sample_rate = 1.0;       // q in [0, 1]; 0 reveals nothing, 1 is the Gaussian mechanism
};

/// The mechanism `steps` times (>= 0), each on a fresh sample.
struct Release {
  SampledGaussian mechanism;
  std::int64_t steps = 0;
};

/// Throw UserError and say what was wrong: noise negative or not finite, rate outside [0, 1], negative steps;
/// delta outside (0, 1).
void require_valid(const Release& release);
void require_valid_delta(double delta);

/// Steps that reveal nothing (rate 0 or no steps) and those that reveal everything (no noise).
bool reveals_nothing(const Release& release);
bool reveals_everything(const Release& release);

/// ln(1 - q + q e^y): the privacy loss ln(P/Q) where N(1)/N(0) is e^y. y may be any size; -infinity to
/// infinity for q = 1 alone.
double log_ratio(double sample_rate, double y);

/// Rényi divergences D_a(P || Q) >= D_a(Q || P) for each order a > 1 (checked), in the order given. Whole
/// orders by the binomial sum, others by quadrature; relative error about 1e-10. Finite from kLeastNoise on.
/// The cost is about 0.3 ms for the 150 orders of rdp_orders(), and grows as 1 / sigma^2 below sigma = 0.5.
std::vector<double> renyi_divergences(const SampledGaussian& mechanism, std::span<const double> orders);

/// Which neighbour the loss speaks of: the output came from the data with the example (remove: ln(P/Q) under
/// P) or from those without (add: ln(Q/P) under Q).
enum class Direction : std::uint8_t { remove, add };

/// The distribution of the privacy loss of one step, for sigma >= kLeastNoise and q > 0 (checked).
class PrivacyLoss {
 public:
  PrivacyLoss(const SampledGaussian& mechanism, Direction direction);

  /// P(loss > t), to a small relative error however small it is.
  double survival(double t) const;
  /// E[max(loss, floor)].
  double mean_above(double floor) const;
  /// The smallest loss, up to 1e-6, that is exceeded with probability at most p in (0, 1).
  double quantile(double p) const;

 private:
  SampledGaussian mechanism_;
  Direction direction_;
};

}  // namespace fedloom::privacy
