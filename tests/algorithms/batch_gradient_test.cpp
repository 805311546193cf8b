// Gradients in pieces against the whole batch at once, and clipped sums against the definition: one example
// at a time.
#include "algorithms/batch_gradient.hpp"

#include <cmath>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/elementwise.hpp"
#include "tests/support/noise_data.hpp"

namespace fedloom::testing {
namespace {

const LocalObjective kObjective;

std::vector<std::uint32_t> first(std::size_t count) {
  std::vector<std::uint32_t> positions(count);
  std::iota(positions.begin(), positions.end(), 0U);
  return positions;
}

double norm(const FloatBuffer& values) { return std::sqrt(square_norm(values.data(), values.size())); }

void expect_near(const FloatBuffer& found, const FloatBuffer& expected) {
  ASSERT_EQ(found.size(), expected.size());
  const auto tolerance = static_cast<float>(1e-5 * norm(expected) + 1e-9);
  for (std::size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], tolerance) << i;
}

class BatchGradientOf : public ::testing::TestWithParam<const char*> {
 protected:
  static Recipe recipe(std::int64_t at_once) { return {.batch_size = 64, .micro_batch = at_once}; }

  // The mean gradient of all 23 examples in pieces of at most `at_once`.
  static FloatBuffer mean(std::int64_t at_once, double& loss) {
    NoiseTask task(model_with_data(GetParam()), 23, recipe(at_once));
    BatchGradient gradient(kObjective, task.run);
    loss = gradient.mean(first(23)).loss;
    return task.gradient;
  }

  // One example at a time, with no other help from the model than its plain gradient; `lengths` hears norms.
  static FloatBuffer naive_sum(std::span<const std::uint32_t> positions, double bound,
                               std::vector<double>* lengths = nullptr) {
    NoiseTask task(model_with_data(GetParam()), 23, recipe(1));
    BatchGradient gradient(kObjective, task.run);
    FloatBuffer sum(task.gradient.size(), 0.0F);
    for (const std::uint32_t position : positions) {
      gradient.mean(std::span(&position, 1));
      const double length = norm(task.gradient);
      if (lengths != nullptr) lengths->push_back(length);
      add_scaled(sum.data(), task.gradient.data(), static_cast<float>(std::min(1.0, bound / length)),
                 sum.size());
    }
    return sum;
  }
};

TEST_P(BatchGradientOf, PiecesGiveTheMeanOfTheWholeBatch) {
  double whole_loss = 0.0;
  const FloatBuffer whole = mean(0, whole_loss);
  ASSERT_GT(norm(whole), 1e-3);
  for (const std::int64_t at_once : {1, 5, 8, 22, 23, 40}) {
    double loss = 0.0;
    expect_near(mean(at_once, loss), whole);
    EXPECT_NEAR(loss, whole_loss, 1e-5 * whole_loss) << at_once;
  }
}

TEST_P(BatchGradientOf, ClippedSumIsThatOfSingleExamples) {
  std::vector<double> lengths;
  const std::vector<std::uint32_t> positions = first(23);
  (void)naive_sum(positions, 1.0, &lengths);
  std::vector<double> sorted = lengths;
  std::sort(sorted.begin(), sorted.end());
  // None, some and all of the examples are clipped.
  for (const double bound : {2.0 * sorted.back(), 0.5 * (sorted[11] + sorted[12]), 0.5 * sorted.front()}) {
    const auto longer = static_cast<std::uint64_t>(
        std::count_if(sorted.begin(), sorted.end(), [&](double length) { return length > bound; }));
    const FloatBuffer expected = naive_sum(positions, bound);
    for (const std::int64_t at_once : {0, 1, 4, 23}) {
      NoiseTask task(model_with_data(GetParam()), 23, recipe(at_once));
      BatchGradient gradient(kObjective, task.run);
      EXPECT_EQ(gradient.clipped_sum(positions, bound).clipped, longer);
      expect_near(task.gradient, expected);
    }
  }
}

// The batch of a Poisson sample may be empty, smaller than a piece, or larger than any batch that was
// planned, the same example more than once among it.
TEST_P(BatchGradientOf, ClippedSumTakesABatchOfAnySize) {
  NoiseTask task(model_with_data(GetParam()), 23, recipe(4));
  BatchGradient gradient(kObjective, task.run);
  for (const std::size_t size : {3U, 0U, 23U, 1U, 100U}) {
    std::vector<std::uint32_t> positions;
    for (std::size_t i = 0; i < size; ++i) positions.push_back(static_cast<std::uint32_t>(i * 7 % 23));
    gradient.clipped_sum(positions, 0.8);
    expect_near(task.gradient, naive_sum(positions, 0.8));
  }
}

INSTANTIATE_TEST_SUITE_P(Models, BatchGradientOf,
                         ::testing::Values("softmax", "mlp", "cnn", "char_lstm",
                                           "text_transformer_of_hidden_tokens"),
                         [](const auto& instance) { return std::string(instance.param); });

// Three examples in a row have 2, 2 and 1 hidden tokens: the mean is over the tokens, so it is that of the
// examples' own means weighted by 2/5, 2/5 and 1/5.
TEST(BatchGradient, HiddenTokensWeighAlike) {
  NoiseTask task(model_with_data("text_transformer_of_hidden_tokens"), 3, {.batch_size = 3});
  BatchGradient gradient(kObjective, task.run);
  FloatBuffer expected(task.gradient.size(), 0.0F);
  double loss = 0.0;
  for (std::uint32_t i = 0; i < 3; ++i) {
    const BatchGradient::Sum one = gradient.mean(std::span(&i, 1));
    EXPECT_EQ(one.judged, i < 2 ? 2U : 1U);
    loss += one.loss;
    add_scaled(expected.data(), task.gradient.data(), i < 2 ? 0.4F : 0.2F, expected.size());
  }
  const BatchGradient::Sum all = gradient.mean(first(3));
  EXPECT_EQ(all.judged, 5U);
  EXPECT_NEAR(all.loss, loss, 1e-5 * loss);
  expect_near(task.gradient, expected);
}

// With all parameters at zero every logit is zero, so example x with label c of C classes has the gradient
// (p - onehot) for the bias and its product with x for the weights: |g|^2 = (1 - 1/C) (1 + |x|^2). A bound
// far below all of them makes every example count the same.
TEST(BatchGradient, ClippedExamplesHaveTheLengthOfTheBound) {
  NoiseTask task(model_with_data("softmax"), 1, {.batch_size = 8});
  std::fill(task.parameters.begin(), task.parameters.end(), 0.0F);
  BatchGradient gradient(kObjective, task.run);
  const std::uint32_t position = 0;
  const float* x = task.data.batch(std::span(&position, 1)).features;
  const double length = std::sqrt(0.75 * (1.0 + square_norm(x, 9)));
  EXPECT_EQ(gradient.clipped_sum(std::span(&position, 1), 1.01 * length).clipped, 0U);
  EXPECT_NEAR(norm(task.gradient), length, 1e-5 * length);
  EXPECT_EQ(gradient.clipped_sum(std::span(&position, 1), 0.25).clipped, 1U);
  EXPECT_NEAR(norm(task.gradient), 0.25, 1e-6);
}

// One example of twenty-three is infinite: the sum is that of the others, whatever piece it was in.
TEST(BatchGradient, AnExampleThatIsNotFiniteIsLeftOut) {
  for (const std::int64_t at_once : {1, 4, 23}) {
    NoiseTask task(model_with_data("mlp"), 23, {.batch_size = 64, .micro_batch = at_once});
    BatchGradient gradient(kObjective, task.run);
    std::vector<std::uint32_t> others;
    for (std::uint32_t i = 0; i < 23; ++i)
      if (i != 7) others.push_back(i);
    gradient.clipped_sum(others, 0.8);
    const FloatBuffer expected = task.gradient;
    task.data.spoil(7);
    const auto sum = gradient.clipped_sum(first(23), 0.8);
    expect_near(task.gradient, expected);
    EXPECT_GE(sum.clipped, 1U);
  }
}

// Before anything is computed: running statistics are not touched. Frozen ones mix nothing.
TEST(BatchGradient, RefusesToClipExamplesThatMix) {
  NoiseTask task(model_with_data("resnet_with_batch_norm"), 4, {.batch_size = 4});
  BatchGradient gradient(kObjective, task.run);
  const FloatBuffer before = task.parameters;
  try {
    gradient.clipped_sum(first(4), 1.0);
    ADD_FAILURE() << "examples were clipped";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("batch normalisation 'bn1' mixes"));
    EXPECT_THAT(error.what(), ::testing::HasSubstr("norm: group"));
  }
  EXPECT_EQ(task.parameters, before);
}

TEST(BatchGradient, FrozenBatchNormMixesNothing) {
  const DataSpec spec{{3, 8, 8}, 4, 0};
  const auto make = [&](std::vector<std::string> train) {
    Adaptation how;
    how.method = Adaptation::Method::freeze;
    how.train = std::move(train);
    return ModelRegistry::instance()
        .find("resnet", "model")
        .make(ConfigNode::from_text("{depth: 8, norm: batch}", "settings"), {spec, how});
  };
  EXPECT_EQ(make({"linear", "layer3.0.bn2"})->mixing_layer(), "layer3.0.bn2");
  NoiseTask task({"resnet", make({"linear"}), spec}, 4, {.batch_size = 4});
  BatchGradient gradient(kObjective, task.run);
  gradient.clipped_sum(first(4), 0.01);
  EXPECT_GT(norm(task.gradient), 0.0);
}

}  // namespace
}  // namespace fedloom::testing
