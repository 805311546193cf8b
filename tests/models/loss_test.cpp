// Cross-entropy and its gradient on numbers small enough to work out by hand.
#include "models/loss.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace fedloom {
namespace {

TEST(Loss, MatchesTheFormulaOnAnExample) {
  // exp(logits) = 1, 2, 5: sum 8, so p = 1/8, 1/4, 5/8 and loss(label 1) = ln 4.
  const std::vector<float> logits = {0.0F, std::log(2.0F), std::log(5.0F)};
  const std::vector<std::int32_t> labels = {1};
  std::vector<float> gradient(3);
  const LossSum sum = softmax_cross_entropy(logits, labels, 3, gradient);
  EXPECT_NEAR(sum.loss, std::log(4.0), 1e-6);
  EXPECT_EQ(sum.correct, 0U);
  EXPECT_NEAR(gradient[0], 0.125F, 1e-6F);
  EXPECT_NEAR(gradient[1], -0.75F, 1e-6F);
  EXPECT_NEAR(gradient[2], 0.625F, 1e-6F);
}

TEST(Loss, SumsOverExamplesAndCountsLowestWinner) {
  // Uniform logits: each loss is ln 2, the arg max is class 0.
  const std::vector<float> logits(6, 3.0F);
  const std::vector<std::int32_t> labels = {0, 1, 0};
  const LossSum sum = softmax_cross_entropy(logits, labels, 2);
  EXPECT_NEAR(sum.loss, 3.0 * std::log(2.0), 1e-6);
  EXPECT_EQ(sum.correct, 2U);
}

TEST(Loss, LargeLogitsNeitherOverflowNorLeaveDenormals) {
  const std::vector<float> logits = {1000.0F, 0.0F, 905.0F};
  const std::vector<std::int32_t> labels = {1};
  std::vector<float> gradient(3);
  EXPECT_NEAR(softmax_cross_entropy(logits, labels, 3, gradient).loss, 1000.0, 1e-3);
  EXPECT_EQ(gradient[0], 1.0F);
  EXPECT_EQ(gradient[1], -1.0F);
  EXPECT_EQ(gradient[2], 0.0F);  // exp(-95) is below the smallest normal float
}

TEST(Loss, NanLogitsGiveNanLoss) {
  const std::vector<float> logits = {std::numeric_limits<float>::quiet_NaN(), 0.0F};
  const std::vector<std::int32_t> labels = {1};
  EXPECT_TRUE(std::isnan(softmax_cross_entropy(logits, labels, 2).loss));
}

TEST(LossDeathTest, LabelOutOfRangeIsAProgrammerError) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const std::vector<float> logits(2, 0.0F);
  const std::vector<std::int32_t> labels = {2};
  EXPECT_DEATH((void)softmax_cross_entropy(logits, labels, 2), "label 2 of 2 classes");
}

}  // namespace
}  // namespace fedloom
