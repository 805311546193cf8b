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

// Two examples with two targets each, one of them missing, over 3 classes. exp(logits) of the rows: (1, 2, 5)
// with target 1, p = 1/8 1/4 5/8, loss ln 4; (1, 1, 1) without a target; (1, 1, 2) with target 2, p = 1/4 1/4
// 1/2, loss ln 2 and right; (4, 1, 1) with target 1, p = 2/3 1/6 1/6, loss ln 6.
TEST(Loss, TargetsThatAreNoneAddNothing) {
  const float ln2 = std::log(2.0F);
  const std::vector<float> logits = {0, ln2, std::log(5.0F), 0, 0, 0, 0, 0, ln2, 2 * ln2, 0, 0};
  const std::vector<std::int32_t> targets = {1, kNoTarget, 2, 1};
  const std::vector<std::int32_t> places = {3, 0, 0, 5};
  Batch batch;
  batch.size = 2;
  batch.targets = targets.data();
  batch.places = places.data();
  batch.targets_each = 2;
  EXPECT_EQ(batch.judged(), 3U);
  EXPECT_EQ(batch.judged(0), 1U);
  EXPECT_EQ(batch.judged(1), 2U);
  std::vector<float> gradient(12, std::nanf(""));
  const LossSum sum = softmax_cross_entropy(logits, batch, gradient);
  EXPECT_NEAR(sum.loss, std::log(4.0) + std::log(2.0) + std::log(6.0), 1e-6);
  EXPECT_EQ(sum.correct, 1U);
  const std::vector<float> expected = {0.125F, -0.75F,      0.625F,       0,          0, 0, 0.25F, 0.25F,
                                       -0.5F,  2.0F / 3.0F, -5.0F / 6.0F, 1.0F / 6.0F};
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(gradient[i], expected[i], 1e-6F) << i;
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
