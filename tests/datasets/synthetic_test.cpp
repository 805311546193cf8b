// Synthetic(alpha, beta): its rule, its laws, its keys; and the normals it is made of.
#include "datasets/synthetic.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/fast_normal.hpp"
#include "tests/datasets/sample_files.hpp"

namespace fedloom {
namespace {

using samples::error_of;
using ::testing::HasSubstr;

// {synthetic_label_rule}: W is (3, 2), logits -0.40 and -0.35, so class 1.
TEST(Synthetic, LabelRule) {
  const std::vector<float> weights{0.1F, -0.2F, 0.3F, 0.4F, -0.5F, 0.6F};
  const std::vector<float> bias{0.05F, -0.05F};
  EXPECT_EQ(linear_label(weights, bias, std::vector<float>{1.0F, -1.0F, 0.5F}), 1);
  // With x = 0 the bias decides.
  EXPECT_EQ(linear_label(weights, bias, std::vector<float>{0, 0, 0}), 0);
}

TEST(Synthetic, LabelRuleBeyondOneBlockOfClasses) {
  std::vector<float> weights(200, 0.0F);
  std::vector<float> bias(200, 0.0F);
  weights[130] = 2.0F;
  EXPECT_EQ(linear_label(weights, bias, std::vector<float>{1.0F}), 130);
  EXPECT_EQ(linear_label(weights, bias, std::vector<float>{-1.0F}), 0);
}

// {synthetic_label_rule}: variances j^-1.2.
TEST(Synthetic, Deviations) {
  const double variances[] = {1.0, 0.435275281648, 0.267580520587, 0.189464570814, 0.144955932736};
  const auto deviations = synthetic_deviations(5);
  for (std::size_t j = 0; j < 5; ++j)
    EXPECT_NEAR(std::pow(static_cast<double>(deviations[j]), 2), variances[j], 1e-6);
}

std::vector<float> features_of(const ExampleView& view) {
  std::vector<float> features(view.size() * static_cast<std::size_t>(view.examples->spec().width()));
  std::vector<std::int32_t> labels(view.size());
  view.examples->gather(view.indices, features.data(), labels.data());
  return features;
}

TEST(Synthetic, SizesAreKnownWithoutData) {
  const auto data = make_synthetic({}, 50, 0.2, 3);
  for (std::size_t k = 0; k < 50; ++k) {
    const std::size_t count = data->example_count(k);
    EXPECT_EQ(data->client(k).size(), count);
    const std::size_t total = count + data->client_test(k).size() + count / 4;  // about, for validation
    EXPECT_GE(total, 48U);
    EXPECT_LE(total, 1002U);
  }
}

TEST(Synthetic, NinetyTen) {
  SyntheticConfig config;
  config.size_sigma = 0;
  config.size_mu = std::log(150.5);
  const auto data = make_synthetic(config, 3, 0.0, 3);  // floor(150.5) + 50 = 200
  EXPECT_EQ(data->example_count(2), 180U);
  EXPECT_EQ(data->client_test(2).size(), 20U);
  EXPECT_EQ(data->test().size(), 60U);
  EXPECT_EQ(data->validation().size(), 0U);
  const auto tuned = make_synthetic(config, 3, 0.25, 3);
  EXPECT_EQ(tuned->example_count(2), 135U);
  EXPECT_EQ(tuned->validation().size(), 135U);
}

TEST(Synthetic, DataDependsOnSeedAndClientOnly) {
  const auto few = make_synthetic({}, 10, 0.0, 3);
  const auto many = make_synthetic({}, 1'000'000, 0.0, 3);
  const auto other = make_synthetic({}, 10, 0.0, 4);
  EXPECT_EQ(features_of(few->client(7)), features_of(many->client(7)));
  EXPECT_EQ(features_of(few->client(7)), features_of(few->client(7)));
  EXPECT_NE(features_of(few->client(7)), features_of(few->client(8)));
  EXPECT_NE(features_of(few->client(7)), features_of(other->client(7)));
  EXPECT_NE(features_of(few->client(7)).front(), features_of(few->client_test(7)).front());
}

TEST(Synthetic, TestSetIsTheHeldOutPartsOfTheFirstClients) {
  SyntheticConfig config;
  config.test_examples = 30;
  const auto data = make_synthetic(config, 1'000'000, 0.0, 3);
  ASSERT_EQ(data->test().size(), 30U);
  const auto all = features_of(data->test());
  const auto first = features_of(data->client_test(0));
  const std::size_t shared = std::min(all.size(), first.size());
  EXPECT_TRUE(std::equal(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(shared), first.begin()));
  EXPECT_LT(data->memory_bytes(), 20'000U);
}

/// Mean over clients of the squared mean of feature 1 of a client, whose law is E[m^2] = beta^2 + 1.
TEST(Synthetic, BetaMovesTheInputs) {
  const auto spread = [](double beta, bool iid) {
    SyntheticConfig config;
    config.beta = beta;
    config.iid = iid;
    const auto data = make_synthetic(config, 150, 0.0, 11);
    double sum = 0.0;
    for (std::size_t k = 0; k < 150; ++k) {
      const auto features = features_of(data->client(k));
      double mean = 0.0;
      const std::size_t rows = features.size() / 60;
      for (std::size_t i = 0; i < rows; ++i)
        mean += static_cast<double>(features[i * 60 + 59]) / static_cast<double>(rows);
      sum += mean * mean / 150.0;
    }
    return sum;
  };
  // Bounds of four standard errors: sqrt(2 / 150) of the value, rounded up.
  EXPECT_NEAR(spread(0.0, false), 1.0, 0.5);
  EXPECT_NEAR(spread(2.0, false), 5.0, 2.5);
  EXPECT_LT(spread(2.0, true), 0.01);
}

TEST(Synthetic, IidClientsAgreeAboutLabels) {
  SyntheticConfig config;
  config.iid = true;
  const auto data = make_synthetic(config, 2, 0.0, 3);
  // The same model labels both: the most frequent class of one is frequent in the other.
  std::vector<double> share[2];
  for (std::size_t k = 0; k < 2; ++k) {
    share[k].assign(10, 0.0);
    const auto view = data->client(k);
    for (const auto i : view.indices)
      share[k][static_cast<std::size_t>(view.examples->label(i))] += 1.0 / static_cast<double>(view.size());
  }
  double distance = 0.0;
  for (std::size_t c = 0; c < 10; ++c) distance += std::abs(share[0][c] - share[1][c]) / 2.0;
  EXPECT_LT(distance, 0.35);
}

TEST(Synthetic, RefusesACapBelowTheMinimum) {
  SyntheticConfig config;
  config.max_size = 10;
  EXPECT_THAT(error_of([&] { make_synthetic(config, 2, 0.0, 3); }),
              HasSubstr("max_size: found 10, below min_size 50"));
}

// Bounds are five standard errors of 400,000 draws.
TEST(FastNormal, MomentsAndTails) {
  FastNormal normal(Random(9, Stream::noise));
  constexpr int kDraws = 400'000;
  double sum = 0;
  double squares = 0;
  double fourths = 0;
  int beyond[5] = {};
  for (int i = 0; i < kDraws; ++i) {
    const double x = normal();
    sum += x;
    squares += x * x;
    fourths += x * x * x * x;
    for (int limit = 0; limit < 5; ++limit) beyond[limit] += std::abs(x) > limit ? 1 : 0;
  }
  const double n = kDraws;
  EXPECT_NEAR(sum / n, 0.0, 5.0 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1.0, 5.0 * std::sqrt(2.0 / n));
  EXPECT_NEAR(fourths / n, 3.0, 5.0 * std::sqrt(96.0 / n));
  for (int limit = 1; limit < 5; ++limit) {
    const double p = std::erfc(limit / std::sqrt(2.0));
    EXPECT_NEAR(beyond[limit] / n, p, 5.0 * std::sqrt(p / n)) << limit;
  }
}

}  // namespace
}  // namespace fedloom
