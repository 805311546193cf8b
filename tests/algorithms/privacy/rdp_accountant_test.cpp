// Rényi accounting against epsilons worked out apart from this code (dp_accounting in lora.json).
#include "algorithms/privacy/rdp_accountant.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/support/vectors.hpp"

namespace fedloom::privacy {
namespace {

constexpr double kPrecision = 2e-10;  // the vectors stop their series where terms fall below e^-30

class RdpVectors : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto found = testing::read_vectors("lora.json");
    if (!found) GTEST_SKIP() << "lora.json is not here (FEDLOOM_VECTORS, FEDLOOM_DATA)";
    vectors_ = found->at("dp_accounting");
  }
  nlohmann::json vectors_;
};

TEST_F(RdpVectors, EpsilonsAndTheirOrders) {
  ASSERT_GE(vectors_.at("epsilon").size(), 4U);
  for (const auto& point : vectors_.at("epsilon")) {
    const Release release{{point.at("sigma"), point.at("q")}, point.at("steps")};
    const RdpBound bound = rdp_epsilon({&release, 1}, point.at("delta"));
    EXPECT_NEAR(bound.epsilon, point.at("eps_rdp_opacus_orders"), kPrecision) << point.at("name");
    EXPECT_DOUBLE_EQ(bound.order, point.at("alpha")) << point.at("name");
    // Chernoff's bound of the loss at probability delta is Mironov's conversion.
    const LossRange range = loss_range(composed_divergences({&release, 1}), point.at("delta"));
    EXPECT_NEAR(range.above, point.at("eps_classic_mironov_conversion"), kPrecision) << point.at("name");
  }
}

TEST_F(RdpVectors, HistoriesOfSeveralKinds) {
  const auto& mixed = vectors_.at("heterogeneous_composition");
  std::vector<Release> history;
  for (const auto& entry : mixed.at("history_(q,sigma,steps)"))
    history.push_back({{entry.at(1), entry.at(0)}, entry.at(2)});
  const RdpBound bound = rdp_epsilon(history, mixed.at("delta"));
  EXPECT_NEAR(bound.epsilon, mixed.at("eps"), kPrecision);
  EXPECT_DOUBLE_EQ(bound.order, mixed.at("alpha"));
}

// Beyond those of the vectors: worked out with the same independent program.
TEST(RdpAccountant, OtherEpsilons) {
  struct Point {
    double q, sigma;
    std::int64_t steps;
    double delta, epsilon, order;
  };
  for (const Point& point :
       {Point{0.01, 1.0, 1000, 1e-5, 2.101365271643, 7.8}, Point{0.25, 4.0, 100, 1e-3, 2.107241487360, 5.8},
        Point{200.0 / 22449.0, 1.2, 10000, 1e-5, 4.259543548238, 5.7}}) {
    const Release release{{point.sigma, point.q}, point.steps};
    const RdpBound bound = rdp_epsilon({&release, 1}, point.delta);
    EXPECT_NEAR(bound.epsilon, point.epsilon, kPrecision);
    EXPECT_DOUBLE_EQ(bound.order, point.order);
  }
}

// Without sampling rho(a) = a T / (2 sigma^2) = a r, and the bound of order a is known in closed form.
TEST(RdpAccountant, TakesTheBestOrder) {
  const Release release{{2.0, 1.0}, 3};
  const double r = 3.0 / 8.0;
  const RdpBound bound = rdp_epsilon({&release, 1}, 1e-6);
  const auto of_order = [&](double a) {
    return a * r + std::log((a - 1.0) / a) - (std::log(1e-6) + std::log(a)) / (a - 1.0);
  };
  EXPECT_NEAR(bound.epsilon, of_order(bound.order), 1e-12);
  for (const double order : rdp_orders()) EXPECT_LE(bound.epsilon, of_order(order) + 1e-12);
  EXPECT_EQ(rdp_orders().size(), 99U + 53U + 4U);
}

TEST(RdpAccountant, KnowsNothingAndEverything) {
  EXPECT_EQ(rdp_epsilon({}, 1e-5).epsilon, 0.0);
  const std::vector<Release> nothing{{{1.0, 0.0}, 100}, {{0.0, 0.5}, 0}};
  EXPECT_EQ(rdp_epsilon(nothing, 1e-5).epsilon, 0.0);
  const std::vector<Release> everything{{{1.0, 0.1}, 10}, {{0.0, 0.5}, 1}};
  EXPECT_EQ(rdp_epsilon(everything, 1e-5).epsilon, std::numeric_limits<double>::infinity());
}

// delta = 0.4 > sqrt(1 - e^(-1.1/(2 * 4))) = 0.3586 is an epsilon of 0; delta = 0.35 is below it and is not.
TEST(RdpAccountant, ALargeDeltaAloneIsEnough) {
  const Release release{{2.0, 1.0}, 1};
  EXPECT_EQ(rdp_epsilon({&release, 1}, 0.4).epsilon, 0.0);
  EXPECT_EQ(rdp_epsilon({&release, 1}, 0.4).order, 0.0);
  const RdpBound less = rdp_epsilon({&release, 1}, 0.35);
  EXPECT_GT(less.order, 0.0);
}

// A total loss of T Gaussian steps is N(m, 2m) with m = T / (2 sigma^2); the range must leave out at most p
// on each side, and Chernoff's bound at most a few times too much of a deviation.
TEST(RdpAccountant, LossRangeHoldsForTheGaussian) {
  const Release release{{3.0, 1.0}, 40};
  const double mean = 40.0 / 18.0;
  const double deviation = std::sqrt(2.0 * mean);
  for (const double p : {1e-3, 1e-9, 1e-15}) {
    const LossRange range = loss_range(composed_divergences({&release, 1}), p);
    const auto tail = [](double u) { return 0.5 * std::erfc(u / std::sqrt(2.0)); };
    for (const double reach : {(range.above - mean) / deviation, (range.below + mean) / deviation}) {
      EXPECT_LE(tail(reach), p);
      EXPECT_GE(tail(reach), p / 100.0);
    }
  }
}

}  // namespace
}  // namespace fedloom::privacy
