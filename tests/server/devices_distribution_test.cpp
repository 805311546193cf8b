// The named distributions against their formulas: exactly where they are exact, else with a fixed seed within
// five standard errors (once in two million seeds a sound draw would miss).
#include "server/devices/distribution.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

#include <gtest/gtest.h>

#include "core/config.hpp"
#include "core/error.hpp"

namespace fedloom {
namespace {

constexpr int kDraws = 40000;

std::unique_ptr<Distribution> make(const std::string& name, const std::string& settings = "{}",
                                   Measure measure = Measure::none) {
  return DistributionRegistry::instance()
      .find(name, "distribution")
      .make(ConfigNode::from_text(settings, "test.yaml"), measure);
}

double draw_for(const Distribution& distribution, ClientId client, std::uint64_t population) {
  Random random(1, Stream::duration, client);
  return distribution.draw({client, population}, random);
}

// Draws of `distribution`, one client each.
std::vector<double> draws(const Distribution& distribution) {
  std::vector<double> values;
  for (ClientId client = 0; client < kDraws; ++client)
    values.push_back(draw_for(distribution, client, kDraws));
  return values;
}

double mean(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double share(const std::vector<double>& values, const std::function<bool(double)>& condition) {
  return static_cast<double>(std::count_if(values.begin(), values.end(), condition)) /
         static_cast<double>(values.size());
}

double five_errors(double deviation) { return 5.0 * deviation / std::sqrt(double{kDraws}); }
double five_errors_of_share(double p) { return five_errors(std::sqrt(p * (1.0 - p))); }

void expect_share(const std::vector<double>& values, double p, const std::function<bool(double)>& condition) {
  EXPECT_NEAR(share(values, condition), p, five_errors_of_share(p));
}

// Phi(-1), the share of a bell below one deviation under its mean.
constexpr double kBelowOneDeviation = 0.15865525393145707;

TEST(Distributions, EveryOneRepeatsAndIsNotNegative) {
  for (const auto& [name, entry] : DistributionRegistry::instance().entries()) {
    const auto distribution = make(name);
    for (ClientId client = 0; client < 1000; ++client) {
      const double value = draw_for(*distribution, client, 1000);
      EXPECT_GE(value, 0.0) << name << ", client " << client;
      EXPECT_EQ(value, draw_for(*distribution, client, 1000)) << name << ", client " << client;
    }
  }
}

TEST(Distributions, NoneAndConstantAndList) {
  EXPECT_EQ(draw_for(*make("none"), 3, 5), 0.0);
  EXPECT_EQ(draw_for(*make("constant", "value: 30ms", Measure::seconds), 3, 5), 0.03);
  const auto list = make("list", "values: [1ms, 2ms, 3]", Measure::seconds);
  EXPECT_EQ(draw_for(*list, 1, 5), 0.002);
  EXPECT_EQ(draw_for(*list, 2, 5), 3.0);
  EXPECT_EQ(draw_for(*list, 4, 5), 0.002) << "clients beyond the list start over";
}

// tau_i = 1 - i * 0.8 / 4: Fraboni's F-80 for five clients.
TEST(Distributions, LadderOfFive) {
  const auto ladder = make("ladder", "{slowest: 1s, percent: 80}", Measure::seconds);
  const double expected[] = {1.0, 0.8, 0.6, 0.4, 0.2};
  for (ClientId i = 0; i < 5; ++i) EXPECT_DOUBLE_EQ(draw_for(*ladder, i, 5), expected[i]);
  EXPECT_EQ(draw_for(*ladder, 0, 1), 1.0) << "a client alone is the slowest";
  EXPECT_EQ(draw_for(*make("ladder", "percent: 0"), 3, 5), 1.0) << "F-0: all alike";
}

TEST(Distributions, UniformIsFlat) {
  const auto values = draws(*make("uniform", "{low: 2, high: 6}"));
  EXPECT_NEAR(mean(values), 4.0, five_errors(4.0 / std::sqrt(12.0)));
  expect_share(values, 0.25, [](double x) { return x < 3.0; });
  EXPECT_EQ(share(values, [](double x) { return x >= 2.0 && x < 6.0; }), 1.0);
  EXPECT_THROW(make("uniform", "{low: 2, high: 1}"), UserError);
}

TEST(Distributions, NormalIsCutBelow) {
  const auto values = draws(*make("normal", "{mean: 3, deviation: 1, minimum: 2}"));
  expect_share(values, kBelowOneDeviation, [](double x) { return x == 2.0; });
  expect_share(values, 0.5, [](double x) { return x < 3.0; });
  expect_share(values, kBelowOneDeviation, [](double x) { return x > 4.0; });
}

TEST(Distributions, HalfNormalIsTheRightHalf) {
  const auto values = draws(*make("half_normal", "{minimum: 5, deviation: 2}"));
  EXPECT_NEAR(mean(values), 5.0 + 2.0 * std::sqrt(2.0 / std::numbers::pi),
              five_errors(2.0 * std::sqrt(1.0 - 2.0 / std::numbers::pi)));
  expect_share(values, 2.0 * kBelowOneDeviation, [](double x) { return x > 7.0; });
  EXPECT_EQ(share(values, [](double x) { return x < 5.0; }), 0.0);
}

TEST(Distributions, LognormalHasItsMedianAndSpread) {
  const auto values = draws(*make("lognormal", "{mu: 1, sigma: 0.6, scale: 5ms}", Measure::seconds));
  const double median = 0.005 * std::exp(1.0);
  expect_share(values, 0.5, [&](double x) { return x < median; });
  expect_share(values, kBelowOneDeviation, [&](double x) { return x < median * std::exp(-0.6); });
  const auto cut = draws(*make("lognormal", "{sigma: 1, minimum: 1}"));
  expect_share(cut, 0.5, [](double x) { return x == 1.0; });
}

TEST(Distributions, ExponentialHasItsMean) {
  const auto values = draws(*make("exponential", "mean: 3"));
  EXPECT_NEAR(mean(values), 3.0, five_errors(3.0));
  expect_share(values, std::exp(-1.0), [](double x) { return x > 3.0; });
}

// P(X > x minimum) = x^-alpha.
TEST(Distributions, ParetoHasItsTail) {
  const auto values = draws(*make("pareto", "{alpha: 1.5, minimum: 2}"));
  for (const double times : {1.5, 4.0, 20.0})
    expect_share(values, std::pow(times, -1.5), [&](double x) { return x > 2.0 * times; });
  EXPECT_EQ(share(values, [](double x) { return x < 2.0; }), 0.0);
  const auto capped = draws(*make("pareto", "{alpha: 1, minimum: 1, cap: 60}"));
  expect_share(capped, 1.0 / 60.0, [](double x) { return x == 60.0; });
}

// P(k) = k^-s / zeta(s), zeta(2) = pi^2 / 6, zeta(4) = pi^4 / 90.
TEST(Distributions, ZipfHasItsProbabilities) {
  const double pi = std::numbers::pi;
  for (const auto& [s, zeta] : {std::pair(2, pi * pi / 6.0), std::pair(4, pi * pi * pi * pi / 90.0)}) {
    const auto values = draws(*make("zipf", fmt::format("{{s: {}, unit: 0.5}}", s)));
    for (const int k : {1, 2, 3, 5})
      expect_share(values, std::pow(k, -s) / zeta, [&, at = 0.5 * k](double x) { return x == at; });
    EXPECT_EQ(share(values, [](double x) { return x == 0.5 * std::floor(x / 0.5) && x >= 0.5; }), 1.0);
  }
  const auto heavy = draws(*make("zipf", "{s: 1.01, cap: 60}"));
  EXPECT_EQ(share(heavy, [](double x) { return x >= 1.0 && x <= 60.0; }), 1.0);
}

TEST(Distributions, AnotherUnitIsRefused) {
  EXPECT_THROW(make("constant", "value: 2MB/s", Measure::seconds), UserError);
  EXPECT_THROW(make("half_normal", "deviation: 2s", Measure::bytes_per_second), UserError);
  EXPECT_THROW(make("pareto", "cap: 1s", Measure::none), UserError);
  EXPECT_THROW(make("list", "values: []"), UserError);
}

}  // namespace
}  // namespace fedloom
