// Sums and integrals in logarithms. The moment E[(P/Q)^a] is 1 + something that is tiny for small q, so it is
// the something that is computed, and all its terms are positive: nothing cancels.
#include "algorithms/privacy/sampled_gaussian.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/error.hpp"

namespace fedloom::privacy {

namespace {

// ln(e^v - 1) for v > 0.
double log_expm1(double v) { return v > 40.0 ? v : std::log(std::expm1(v)); }

// ln(1 + e^v).
double softplus(double v) { return v > 40.0 ? v : std::log1p(std::exp(v)); }

double upper_tail(double u) { return 0.5 * std::erfc(u / std::numbers::sqrt2); }

// The y with log_ratio(rate, y) = loss, for loss > ln(1 - rate).
double inverse_log_ratio(double rate, double loss) {
  if (rate == 1.0) return loss;
  if (loss > 50.0) return loss - std::log(rate) + std::log1p((rate - 1.0) * std::exp(-loss));
  return std::log1p(std::expm1(loss) / rate);
}

bool is_whole(double order) { return order == std::floor(order); }

// Whole orders: E_Q[(P/Q)^a] - 1 = sum_{k=2..a} C(a,k) (1-q)^(a-k) q^k (e^{(k^2-k)/(2 sigma^2)} - 1), as the
// binomial sum without the bracket is 1 and the terms of k = 0 and 1 vanish.
class BinomialSum {
 public:
  BinomialSum(const SampledGaussian& mechanism, std::size_t largest)
      : log_rest_(std::log1p(-mechanism.sample_rate)), log_factorial_(largest + 1), terms_(largest + 1) {
    const double variance = mechanism.noise_multiplier * mechanism.noise_multiplier;
    const double log_odds = std::log(mechanism.sample_rate) - log_rest_;
    for (std::size_t k = 2; k <= largest; ++k) {
      const auto x = static_cast<double>(k);
      log_factorial_[k] = log_factorial_[k - 1] + std::log(x);
      terms_[k] = x * log_odds - log_factorial_[k] + log_expm1((x * x - x) / (2.0 * variance));
    }
  }

  double log_moment(std::size_t order) const {
    double largest = -std::numeric_limits<double>::infinity();
    for (std::size_t k = 2; k <= order; ++k)
      largest = std::max(largest, terms_[k] - log_factorial_[order - k]);
    if (std::isinf(largest)) return 0.0;  // noise beyond all bounds
    double sum = 0.0;
    for (std::size_t k = 2; k <= order; ++k) sum += std::exp(terms_[k] - log_factorial_[order - k] - largest);
    return softplus(largest + std::log(sum) + log_factorial_[order] + static_cast<double>(order) * log_rest_);
  }

 private:
  double log_rest_;
  std::vector<double> log_factorial_;
  std::vector<double> terms_;
};

// The trapezoidal rule over u = x / sigma. It converges exponentially: the integrands are analytic but for
// the zeros of P/Q, pi sigma away from the real axis, so with h <= sigma / 2 the error is of relative size
// e^{-2 pi pi sigma / h} = e^-39. Below sigma = 0.05 both distributions have vanished (e^-50) where it bends.
class Quadrature {
 public:
  /// Covers N(0) and N(mean) up to nine deviations (e^-40).
  Quadrature(const SampledGaussian& mechanism, double mean)
      : sigma_(mechanism.noise_multiplier), rate_(mechanism.sample_rate), end_(mean / sigma_ + kReach) {
    step_ = sigma_ < 0.05 ? 0.25 : std::min(0.25, 0.5 * sigma_);
  }

  /// f(ln of Q's density without 1 / sqrt(2 pi), ln P/Q) at each node.
  template <class Visit>
  void visit(Visit f) const {
    const auto count = static_cast<std::int64_t>((end_ + kReach) / step_);
    for (std::int64_t i = 0; i <= count; ++i) {
      const double u = static_cast<double>(i) * step_ - kReach;
      f(-0.5 * u * u, log_ratio(rate_, (u - 0.5 / sigma_) / sigma_));
    }
  }
  /// What sums over the nodes are multiplied with: h / sqrt(2 pi).
  double scale() const { return step_ / std::sqrt(2.0 * std::numbers::pi); }

 private:
  static constexpr double kReach = 9.0;
  double sigma_;
  double rate_;
  double end_;
  double step_ = 0.0;
};

// Any order: with b = a - 1 and the loss l = ln(P/Q),
//   E_Q[(P/Q)^a] - 1 = E_P[ (e^{b l} - 1) + b (e^{-l} - 1) ], every value >= 0 (Bernoulli).
class MomentIntegral {
 public:
  MomentIntegral(const SampledGaussian& mechanism, double largest) : scale_(0.0) {
    // For small q the second moment rules, whose mass lies around 2.
    const Quadrature quadrature(mechanism, std::max(largest, 2.0));
    scale_ = quadrature.scale();
    quadrature.visit([&](double log_weight, double loss) {
      nodes_.push_back({loss, log_weight + loss, std::exp(log_weight + loss), std::expm1(-loss)});
    });
  }

  double log_moment(double order) const {
    const double b = order - 1.0;
    double shift = 0.0;  // keeps exp below overflow
    for (const Node& node : nodes_) shift = std::max(shift, node.log_density + b * node.loss - 600.0);
    double sum = 0.0;
    for (const Node& node : nodes_) sum += term(node, b, shift);
    return softplus(shift + std::log(sum * scale_));
  }

 private:
  struct Node {
    double loss;
    double log_density;
    double density;     // of P, without 1 / sqrt(2 pi)
    double complement;  // e^{-l} - 1
  };

  static double term(const Node& node, double b, double shift) {
    const double l = node.loss;
    const double power = b * l;
    if (power > 40.0) return std::exp(node.log_density + power - shift);
    double value = std::expm1(power) + b * node.complement;
    if (std::abs(l) * std::max(b, 1.0) < 1e-5)  // where the first orders of the two cancel
      value = b * l * l * ((b + 1.0) / 2.0 + (b * b - 1.0) * l / 6.0);
    return node.density * value * (shift > 0.0 ? std::exp(-shift) : 1.0);
  }

  std::vector<Node> nodes_;
  double scale_;
};

}  // namespace

void require_valid(const Release& release) {
  const auto [noise, rate] = release.mechanism;
  if (!(noise >= 0.0 && std::isfinite(noise)))
    throw user_error("a noise multiplier of {}: it must be a finite number of at least 0", noise);
  if (!(rate >= 0.0 && rate <= 1.0))
    throw user_error("a sample rate of {}: it is a probability, from 0 to 1", rate);
  if (release.steps < 0) throw user_error("{} steps: their number must be at least 0", release.steps);
}

void require_valid_delta(double delta) {
  if (!(delta > 0.0 && delta < 1.0))
    throw user_error("a delta of {}: it must lie between 0 and 1, both excluded", delta);
}

bool reveals_nothing(const Release& release) {
  return release.steps == 0 || release.mechanism.sample_rate == 0.0;
}

bool reveals_everything(const Release& release) {
  return !reveals_nothing(release) && release.mechanism.noise_multiplier < kLeastNoise;
}

double log_ratio(double sample_rate, double y) {
  if (sample_rate == 1.0) return y;
  if (y > 50.0) return y + std::log(sample_rate + (1.0 - sample_rate) * std::exp(-y));
  return std::log1p(sample_rate * std::expm1(y));
}

std::vector<double> renyi_divergences(const SampledGaussian& mechanism, std::span<const double> orders) {
  const auto [sigma, rate] = mechanism;
  double largest_whole = 1.0;
  double largest_other = 1.0;
  for (const double order : orders) {
    FEDLOOM_CHECK(order > 1.0 && std::isfinite(order), "order {}", order);
    double& largest = is_whole(order) ? largest_whole : largest_other;
    largest = std::max(largest, order);
  }
  std::vector<double> divergences(orders.size(), 0.0);
  if (rate == 0.0) return divergences;
  if (sigma < kLeastNoise) return std::vector(orders.size(), std::numeric_limits<double>::infinity());
  if (rate == 1.0) {
    for (std::size_t i = 0; i < orders.size(); ++i) divergences[i] = orders[i] / (2.0 * sigma * sigma);
    return divergences;
  }
  const BinomialSum whole(mechanism, static_cast<std::size_t>(largest_whole));
  const MomentIntegral other(mechanism, largest_other);
  for (std::size_t i = 0; i < orders.size(); ++i) {
    const double a = orders[i];
    divergences[i] =
        (is_whole(a) ? whole.log_moment(static_cast<std::size_t>(a)) : other.log_moment(a)) / (a - 1.0);
  }
  return divergences;
}

PrivacyLoss::PrivacyLoss(const SampledGaussian& mechanism, Direction direction)
    : mechanism_(mechanism), direction_(direction) {
  FEDLOOM_CHECK(mechanism.noise_multiplier >= kLeastNoise && mechanism.sample_rate > 0.0, "noise {}, rate {}",
                mechanism.noise_multiplier, mechanism.sample_rate);
}

double PrivacyLoss::survival(double t) const {
  const auto [sigma, rate] = mechanism_;
  const bool remove = direction_ == Direction::remove;
  const double log_p_q = remove ? t : -t;
  if (log_p_q <= std::log1p(-rate)) return remove ? 1.0 : 0.0;
  const double x = sigma * inverse_log_ratio(rate, log_p_q) + 0.5 / sigma;  // the output, in deviations
  if (!remove) return upper_tail(-x);
  return rate * upper_tail(x - 1.0 / sigma) + (1.0 - rate) * upper_tail(x);
}

double PrivacyLoss::mean_above(double floor) const {
  const Quadrature quadrature(mechanism_, 1.0);
  const bool remove = direction_ == Direction::remove;
  double sum = 0.0;
  quadrature.visit([&](double log_weight, double log_p_q) {
    sum += remove ? std::exp(log_weight + log_p_q) * std::max(log_p_q, floor)
                  : std::exp(log_weight) * std::max(-log_p_q, floor);
  });
  return sum * quadrature.scale();
}

double PrivacyLoss::quantile(double p) const {
  double low = -1.0;
  while (survival(low) <= p) low *= 2.0;
  double high = 1.0;
  while (survival(high) > p) high *= 2.0;
  while (high - low > 1e-6) {
    const double middle = low + (high - low) / 2.0;
    if (middle <= low || middle >= high) break;
    (survival(middle) > p ? low : high) = middle;
  }
  return high;
}

}  // namespace fedloom::privacy
