// One step of the sampled Gaussian mechanism against values worked out apart from this code (dp_accounting in
// lora.json, and the few written here), against closed forms, and its two ways of computing against each
// other.
#include "algorithms/privacy/sampled_gaussian.hpp"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "algorithms/privacy/rdp_accountant.hpp"
#include "core/error.hpp"
#include "tests/support/vectors.hpp"

namespace fedloom::privacy {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double divergence(double sigma, double q, double order) {
  return renyi_divergences({sigma, q}, std::span(&order, 1)).front();
}

double normal_cdf(double u) { return 0.5 * std::erfc(-u / std::sqrt(2.0)); }

TEST(SampledGaussian, DivergencesOfTheVectors) {
  const auto vectors = testing::read_vectors("lora.json");
  if (!vectors) GTEST_SKIP() << "lora.json is not here (FEDLOOM_VECTORS, FEDLOOM_DATA)";
  const auto& points = vectors->at("dp_accounting").at("single_step_rdp");
  ASSERT_GE(points.size(), 4U);
  for (const auto& point : points) {
    const double expected = point.at("rdp");
    EXPECT_NEAR(divergence(point.at("sigma"), point.at("q"), point.at("alpha")), expected, 1e-10 * expected)
        << point;
  }
}

// Integrals of the moment with 40 digits, rounded to those written.
TEST(SampledGaussian, DivergencesOfOtherOrders) {
  EXPECT_NEAR(divergence(1.0, 0.01, 2.5), 2.1757533233e-4, 1e-13);
  EXPECT_NEAR(divergence(2.0, 0.1, 7.3), 1.22042060465e-2, 1e-12);
  EXPECT_NEAR(divergence(0.7, 0.001, 16.0), 8.958258314718, 1e-11);
  // The second moment under N(0): E[(1 - q + q e^y)^2] = 1 + q^2 (E[e^2y] - 1) = 1 + q^2 (e^(1/sigma^2) - 1).
  EXPECT_NEAR(divergence(1.0, 0.01, 2.0), std::log1p(1e-4 * std::expm1(1.0)), 1e-18);
  EXPECT_NEAR(divergence(0.5, 0.3, 2.0), std::log1p(0.09 * std::expm1(4.0)), 1e-13);
}

TEST(SampledGaussian, LimitsOfRateAndNoise) {
  EXPECT_DOUBLE_EQ(divergence(3.0, 1.0, 5.0), 5.0 / 18.0);  // a / (2 sigma^2)
  EXPECT_DOUBLE_EQ(divergence(3.0, 1.0, 1.5), 1.5 / 18.0);
  EXPECT_EQ(divergence(3.0, 0.0, 5.0), 0.0);
  EXPECT_EQ(divergence(0.0, 0.0, 5.0), 0.0);
  EXPECT_EQ(divergence(0.0, 0.1, 5.0), kInfinity);
  // Nearly always sampled is nearly the Gaussian mechanism.
  EXPECT_NEAR(divergence(3.0, 1.0 - 1e-9, 5.0), 5.0 / 18.0, 1e-8);
  EXPECT_NEAR(divergence(3.0, 1.0 - 1e-9, 4.5), 4.5 / 18.0, 1e-8);
}

// The sum for whole orders and the integral for the orders just beside them; the divergence grows by at most
// its own size per unit of order there.
TEST(SampledGaussian, SumAndIntegralAgree) {
  for (const double sigma : {0.05, 0.2, 0.5, 0.9, 2.0, 30.0, 1e4})
    for (const double q : {1e-9, 1e-4, 0.01, 0.3, 0.9, 0.999999})
      for (const double order : {2.0, 3.0, 7.0, 10.0, 40.0}) {
        const double sum = divergence(sigma, q, order);
        EXPECT_NEAR(divergence(sigma, q, order * (1.0 + 1e-12)), sum, 1e-9 * sum)
            << "sigma " << sigma << " q " << q << " order " << order;
      }
}

TEST(SampledGaussian, DivergenceGrowsWithOrderAndRateAndFallsWithNoise) {
  for (const double q : {1e-8, 0.01, 0.5}) {
    const std::vector<double> base = renyi_divergences({1.0, q}, rdp_orders());
    const std::vector<double> more = renyi_divergences({1.0, q * 1.01}, rdp_orders());
    const std::vector<double> quiet = renyi_divergences({1.01, q}, rdp_orders());
    for (std::size_t i = 0; i < base.size(); ++i) {
      EXPECT_GT(base[i], i > 0 ? base[i - 1] : 0.0) << "order " << rdp_orders()[i];
      EXPECT_GT(more[i], base[i]) << "order " << rdp_orders()[i];
      EXPECT_LT(quiet[i], base[i]) << "order " << rdp_orders()[i];
    }
  }
}

TEST(SampledGaussian, ExtremeArgumentsStayFinite) {
  for (const double sigma : {0.01, 1.0, 1e8, 1e300})
    for (const double q : {1e-300, 1e-12, 0.5, 1.0 - 1e-15})
      for (const double order : {1.0001, 1.1, 10.9, 1024.0, 1e5}) {
        const double value = divergence(sigma, q, order);
        EXPECT_TRUE(std::isfinite(value) && value >= 0.0)
            << "sigma " << sigma << " q " << q << " order " << order << ": " << value;
        EXPECT_LE(value, order / (2.0 * sigma * sigma) * (1.0 + 1e-9)) << "sampling never reveals more";
      }
}

// With q = 1 the loss y(x) = (2x - 1) / (2 sigma^2) of x ~ N(1, sigma^2) is N(1/(2 sigma^2), 1/sigma^2), and
// by symmetry -y(x) of x ~ N(0, sigma^2) is the same.
TEST(PrivacyLoss, IsNormalWithoutSampling) {
  for (const double sigma : {0.5, 2.0})
    for (const Direction direction : {Direction::remove, Direction::add}) {
      const PrivacyLoss loss({sigma, 1.0}, direction);
      const double mean = 0.5 / (sigma * sigma);
      for (const double t : {-3.0, 0.0, 0.4, 5.0, 60.0}) {
        const double expected = normal_cdf((mean - t) * sigma);
        EXPECT_NEAR(loss.survival(t), expected, 1e-13 * expected) << t;
      }
      EXPECT_NEAR(loss.mean_above(-kInfinity), mean, 1e-14);
      EXPECT_NEAR(loss.quantile(normal_cdf(-2.0)), mean + 2.0 / sigma, 2e-6);
    }
}

// P(L > 0) - Q(L > 0) is the total variation, which is q times that of N(0) and N(1): q (2 Phi(1/(2 sigma)) -
// 1). Q(L > 0) is what `add` knows: its loss is -L.
TEST(PrivacyLoss, TotalVariationIsAmplified) {
  for (const double sigma : {0.3, 1.0, 5.0})
    for (const double q : {1e-6, 0.02, 0.7}) {
      const double under_p = PrivacyLoss({sigma, q}, Direction::remove).survival(0.0);
      const double under_q = 1.0 - PrivacyLoss({sigma, q}, Direction::add).survival(0.0);
      EXPECT_NEAR(under_p - under_q, q * (2.0 * normal_cdf(0.5 / sigma) - 1.0), 1e-15);
    }
}

// E[max(L, f)] = f + the integral of P(L > t) from f on: the survival function against the mean.
TEST(PrivacyLoss, MeanIsTheIntegralOfTheSurvival) {
  for (const auto& [sigma, q] : {std::pair{0.6, 0.002}, std::pair{1.5, 0.04}, std::pair{1.0, 0.6}})
    for (const Direction direction : {Direction::remove, Direction::add}) {
      const PrivacyLoss loss({sigma, q}, direction);
      const double floor = std::max(loss.quantile(1.0 - 1e-13), -30.0);
      const auto integral = [&](double low, double high) {
        constexpr int kSteps = 200000;
        const double h = (high - low) / kSteps;
        double sum = 0.0;
        for (int i = 0; i < kSteps; ++i) sum += h * loss.survival(low + (i + 0.5) * h);
        return sum;
      };
      // Nearly all of a rare example's loss is within a few q of 0.
      const double expected = floor + integral(floor, -5.0 * q) + integral(-5.0 * q, 5.0 * q) +
                              integral(5.0 * q, loss.quantile(1e-14));
      EXPECT_NEAR(loss.mean_above(floor), expected, 1e-9) << sigma << " " << q;
    }
}

TEST(PrivacyLoss, HasTheSupportOfAMixture) {
  const PrivacyLoss remove({1.0, 0.25}, Direction::remove);
  EXPECT_EQ(remove.survival(std::log(0.75) - 1e-12), 1.0);  // ln(P/Q) > ln(1 - q) everywhere
  EXPECT_LT(remove.survival(0.0), 1.0);
  const PrivacyLoss add({1.0, 0.25}, Direction::add);
  EXPECT_EQ(add.survival(-std::log(0.75) + 1e-12), 0.0);
  EXPECT_GT(add.survival(0.0), 0.0);
}

TEST(Releases, AreCheckedWithWhatWasFound) {
  using ::testing::HasSubstr;
  using ::testing::ThrowsMessage;
  const auto refuses = [](const Release& release, const char* text) {
    EXPECT_THAT([&] { require_valid(release); }, ThrowsMessage<UserError>(HasSubstr(text)));
  };
  refuses({{-1.0, 0.1}, 1}, "noise multiplier of -1");
  refuses({{std::nan(""), 0.1}, 1}, "noise multiplier of nan");
  refuses({{kInfinity, 0.1}, 1}, "noise multiplier of inf");
  refuses({{1.0, -0.1}, 1}, "sample rate of -0.1");
  refuses({{1.0, 1.5}, 1}, "sample rate of 1.5");
  refuses({{1.0, 0.1}, -3}, "-3 steps");
  EXPECT_NO_THROW(require_valid({{0.0, 1.0}, 0}));
  for (const double delta : {0.0, 1.0, -1e-5, std::nan("")})
    EXPECT_THAT([&] { require_valid_delta(delta); }, ThrowsMessage<UserError>(HasSubstr("a delta of")))
        << delta;
}

}  // namespace
}  // namespace fedloom::privacy
