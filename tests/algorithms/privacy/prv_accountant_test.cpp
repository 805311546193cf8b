// The composed privacy loss against exact curves where there are some, and against upper bounds worked out
// apart from this code (dp_accounting in lora.json). Every bound must lie between the truth and the truth +
// 0.01.
#include "algorithms/privacy/prv_accountant.hpp"

#include <cmath>
#include <functional>
#include <limits>
#include <numbers>

#include <gtest/gtest.h>

#include "algorithms/privacy/rdp_accountant.hpp"
#include "tests/support/vectors.hpp"

namespace fedloom::privacy {
namespace {

// What the mesh may add, and what taking a thousandth off delta does: 0.001 / |d ln delta / d epsilon|, where
// the slope is about deviations / m of the Gaussian below, 0.7 at least in these tests.
constexpr double kAdded = 0.0115;

double prv(double sigma, double q, std::int64_t steps, double delta) {
  const Release release{{sigma, q}, steps};
  return prv_epsilon({&release, 1}, delta);
}

double normal_cdf(double u) { return 0.5 * std::erfc(-u / std::sqrt(2.0)); }

// The epsilon at which a falling curve delta(epsilon) reaches delta.
double solve(const std::function<double(double)>& curve, double delta) {
  double low = 0.0;
  double high = 100.0;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2.0;
    (curve(middle) > delta ? low : high) = middle;
  }
  return high;
}

// T Gaussian steps are one with sigma / sqrt(T): the sum of the outputs is sufficient. With m = sqrt(T) /
// sigma the loss is N(m^2/2, m^2) with the example and N(-m^2/2, m^2) without, so
//   delta(e) = P(L > e) - e^e Q(L > e) = Phi(m/2 - e/m) - e^e Phi(-m/2 - e/m).
double gaussian_delta(double m, double epsilon) {
  return normal_cdf(m / 2.0 - epsilon / m) - std::exp(epsilon) * normal_cdf(-m / 2.0 - epsilon / m);
}

TEST(PrvAccountant, IsTheAnalyticGaussianWithoutSampling) {
  for (const double sigma : {0.5, 1.0, 4.0, 20.0})
    for (const std::int64_t steps : {1, 3, 20, 500})
      for (const double delta : {1e-3, 1e-5, 1e-8}) {
        const double m = std::sqrt(static_cast<double>(steps)) / sigma;
        if (m > 8.0) continue;  // epsilons beyond 70
        const double exact = solve([&](double e) { return gaussian_delta(m, e); }, delta);
        const double bound = prv(sigma, 1.0, steps, delta);
        EXPECT_GE(bound, exact) << sigma << " " << steps << " " << delta;
        EXPECT_LE(bound, exact + kAdded) << sigma << " " << steps << " " << delta;
      }
}

// One sampled step: delta_q(ln(1 + q (e^e - 1))) = q delta_1(e) (B. Balle, G. Barthe, M. Gaboardi, "Privacy
// amplification by subsampling", 2018, theorem 8). Here from the other side: with e^e' = 1 - q + q e^e,
// E_Q[(P/Q - e^e')+] = q E_Q[(e^y - e^e)+].
TEST(PrvAccountant, OneSampledStepIsExact) {
  for (const auto& [sigma, q] : {std::pair{0.4, 0.01}, std::pair{0.7, 0.2}, std::pair{1.0, 0.5}}) {
    const auto curve = [&](double amplified) {
      return q * gaussian_delta(1.0 / sigma, std::log1p(std::expm1(amplified) / q));
    };
    const double exact = solve(curve, 1e-6);
    EXPECT_GE(prv(sigma, q, 1, 1e-6), exact);
    EXPECT_LE(prv(sigma, q, 1, 1e-6), exact + kAdded);
  }
}

// Two sampled steps by brute force: given the loss l of the first, the second's curve at e - l, in closed
// form for any threshold s: E[(1 - e^(s - L))+] = P(L > s) - e^s Q(L > s). Both directions; the larger
// counts.
double two_step_delta(const SampledGaussian& mechanism, double epsilon, bool remove) {
  const PrivacyLoss with(mechanism, Direction::remove);
  const PrivacyLoss without(mechanism, Direction::add);
  const auto one_step = [&](double s) {
    return remove ? with.survival(s) - std::exp(s) * (1.0 - without.survival(-s))
                  : without.survival(s) - std::exp(s) * (1.0 - with.survival(-s));
  };
  const auto [sigma, q] = mechanism;
  constexpr double h = 0.002;
  double sum = 0.0;
  for (double x = -9.0 * sigma; x < 1.0 + 9.0 * sigma; x += h) {
    const double log_p_q = log_ratio(q, (2.0 * x - 1.0) / (2.0 * sigma * sigma));
    const double density =
        std::exp(-x * x / (2.0 * sigma * sigma)) / (sigma * std::sqrt(2.0 * std::numbers::pi));
    sum += remove ? h * density * std::exp(log_p_q) * one_step(epsilon - log_p_q)
                  : h * density * one_step(epsilon + log_p_q);
  }
  return sum;
}

TEST(PrvAccountant, TwoSampledStepsAreExact) {
  for (const auto& [sigma, q] : {std::pair{0.7, 0.05}, std::pair{1.0, 0.5}, std::pair{0.8, 0.9}}) {
    const SampledGaussian mechanism{sigma, q};
    const auto exact = [&](bool remove) {
      return solve([&](double e) { return two_step_delta(mechanism, e, remove); }, 1e-5);
    };
    const double truth = std::max(exact(true), exact(false));
    EXPECT_GE(prv(sigma, q, 2, 1e-5), truth) << sigma << " " << q;
    EXPECT_LE(prv(sigma, q, 2, 1e-5), truth + kAdded) << sigma << " " << q;
  }
}

struct Point {
  double q, sigma;
  std::int64_t steps;
  double delta, bound;  // of an implementation with a symmetric grid and the direction `remove` alone
};

// That one truncates more widely, and rounds the same way: a few 1e-4 above ours.
TEST(PrvAccountant, AgreesWithAnotherImplementation) {
  for (const Point& point :
       {Point{0.04, 1.5, 2250, 1e-5, 6.779132}, Point{0.04, 1.5, 2249, 1e-5, 6.777395712},
        Point{0.01, 1.0, 1000, 1e-5, 1.838372}, Point{1.0, 10.0, 20, 1e-5, 1.770168},
        Point{0.25, 4.0, 100, 1e-3, 1.849173}, Point{200.0 / 130900.0, 0.7, 10000, 1e-5, 1.907314},
        Point{200.0 / 22449.0, 1.2, 10000, 1e-5, 3.932807}, Point{1.0 / 512.0, 0.6, 500, 1e-5, 1.997334}}) {
    const double bound = prv(point.sigma, point.q, point.steps, point.delta);
    EXPECT_LE(bound, point.bound + 1e-6) << point.q << " " << point.sigma;
    EXPECT_GE(bound, point.bound - 5e-4) << point.q << " " << point.sigma;
  }
}

TEST(PrvAccountant, AgreesWithTheVectors) {
  const auto vectors = testing::read_vectors("lora.json");
  if (!vectors) GTEST_SKIP() << "lora.json is not here (FEDLOOM_VECTORS, FEDLOOM_DATA)";
  const auto& points = vectors->at("dp_accounting").at("epsilon");
  ASSERT_GE(points.size(), 4U);
  for (const auto& point : points) {
    const double expected = point.at("eps_prv_opacus_upper_(eps_error=0.01)");
    const double bound = prv(point.at("sigma"), point.at("q"), point.at("steps"), point.at("delta"));
    EXPECT_LE(bound, expected + 1e-6) << point.at("name");
    EXPECT_GE(bound, expected - 5e-4) << point.at("name");
  }
}

TEST(PrvAccountant, HistoriesComposeInAnyOrderAndPieces) {
  const SampledGaussian strong{1.5, 0.04};
  const SampledGaussian weak{0.8, 0.001};
  const std::vector<Release> history{{strong, 300}, {weak, 1000}};
  const std::vector<Release> pieces{{weak, 400}, {strong, 299}, {{0.0, 0.0}, 7}, {weak, 600}, {strong, 1}};
  EXPECT_NEAR(prv_epsilon(history, 1e-5), prv_epsilon(pieces, 1e-5), 1e-7);
  EXPECT_GT(prv_epsilon(history, 1e-5), prv(1.5, 0.04, 300, 1e-5));
  // Two Gaussian steps of different noise are one with 1/sigma^2 = 1/s1^2 + 1/s2^2.
  const std::vector<Release> gaussians{{{3.0, 1.0}, 4}, {{5.0, 1.0}, 9}};
  const double exact =
      solve([](double e) { return gaussian_delta(std::sqrt(4.0 / 9.0 + 9.0 / 25.0), e); }, 1e-5);
  EXPECT_GE(prv_epsilon(gaussians, 1e-5), exact);
  EXPECT_LE(prv_epsilon(gaussians, 1e-5), exact + kAdded);
}

TEST(PrvAccountant, NothingAndEverything) {
  EXPECT_EQ(prv_epsilon({}, 1e-5), 0.0);
  EXPECT_EQ(prv(0.0, 0.1, 5, 1e-5), std::numeric_limits<double>::infinity());
  EXPECT_EQ(prv(0.0, 0.0, 5, 1e-5), 0.0);
  EXPECT_EQ(prv(2.0, 1.0, 1, 0.4), 0.0);  // as in the Rényi test: delta covers the total variation
}

// Large epsilons and many steps take a coarser mesh; a delta below what floating point resolves, none.
TEST(PrvAccountant, StaysBetweenTheTruthAndTheRenyiBound) {
  for (const double sigma : {0.1, 1.0, 40.0})
    for (const double q : {1e-8, 1e-3, 1.0})
      for (const std::int64_t steps :
           {std::int64_t{1}, std::int64_t{5'000'000}, std::int64_t{4'000'000'000'000}})
        for (const double delta : {1e-5, 1e-30}) {
          const Release release{{sigma, q}, steps};
          const double bound = prv_epsilon({&release, 1}, delta);
          EXPECT_LE(bound, rdp_epsilon({&release, 1}, delta).epsilon);
          EXPECT_TRUE(std::isfinite(bound) && bound >= 0.0)
              << sigma << " " << q << " " << steps << " " << delta << ": " << bound;
        }
}

}  // namespace
}  // namespace fedloom::privacy
