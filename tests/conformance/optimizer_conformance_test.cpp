// What every registered optimizer must do, over the registry: a new optimizer is covered when it compiles.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/random.hpp"
#include "models/optimizer.hpp"
#include "tests/models/allocation_count.hpp"

namespace fedloom {
namespace {

// Odd sizes, so that vector loops have tails, and every role beside a trained slice.
std::shared_ptr<const Layout> mixed_layout() {
  Layout::Builder slices;
  slices.add("frozen", {5}, Role::frozen);
  slices.add("first", {37}, Role::trained);
  slices.add("statistic", {3}, Role::statistic);
  slices.add("local", {19}, Role::local);
  slices.add("second", {3, 11}, Role::trained);
  return slices.build();
}

class OptimizerConformance : public testing::TestWithParam<std::string> {
 protected:
  static std::unique_ptr<Optimizer> make() {
    return OptimizerRegistry::instance().find(GetParam(), "optimizer").make(ConfigNode());
  }

  // Weights after `steps` steps from the same start on the same drawn gradients.
  static std::vector<float> walk(Optimizer& optimizer, const Layout& layout, int steps) {
    Random random(7, Stream::init);
    std::vector<float> w(layout.size());
    std::vector<float> gradient(layout.size());
    for (float& value : w) value = static_cast<float>(random.normal());
    optimizer.reset(layout);
    for (int t = 0; t < steps; ++t) {
      for (float& value : gradient) value = static_cast<float>(random.normal());
      optimizer.step(layout, w, gradient, 0.05);
    }
    return w;
  }

  static bool same_bits(const std::vector<float>& x, const std::vector<float>& y) {
    return x.size() == y.size() && std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0;
  }
};

TEST_P(OptimizerConformance, SaysWhatItIs) {
  EXPECT_FALSE(OptimizerRegistry::instance().find(GetParam(), "optimizer").about.summary.empty());
}

// Whatever stands where no gradient is due, NaN included, must not matter.
TEST_P(OptimizerConformance, StepsAllTrainedSlicesAndNoOther) {
  const auto layout = mixed_layout();
  const auto optimizer = make();
  optimizer->reset(*layout);
  std::vector<float> w(layout->size(), 1.0F);
  std::vector<float> gradient(layout->size(), std::nanf(""));
  for (const Slice& slice : layout->slices())
    if (slice.role == Role::trained)
      std::fill_n(gradient.begin() + static_cast<std::ptrdiff_t>(slice.offset), slice.size, 0.5F);
  for (int t = 0; t < 3; ++t) optimizer->step(*layout, w, gradient, 0.1);
  for (const Slice& slice : layout->slices())
    for (std::size_t i = 0; i < slice.size; ++i) {
      if (slice.role == Role::trained)
        EXPECT_LT(w[slice.offset + i], 1.0F) << slice.name << "[" << i << "]";
      else
        EXPECT_EQ(w[slice.offset + i], 1.0F) << slice.name << "[" << i << "]";
    }
}

TEST_P(OptimizerConformance, ResetForgetsAllThatWas) {
  const auto layout = mixed_layout();
  Layout::Builder other;
  other.add("w", {200});
  const auto used = make();
  const std::vector<float> fresh = walk(*used, *layout, 6);
  EXPECT_TRUE(same_bits(walk(*used, *layout, 6), fresh));
  (void)walk(*used, *other.build(), 3);
  EXPECT_TRUE(same_bits(walk(*used, *layout, 6), fresh)) << "after another layout";
  EXPECT_FALSE(same_bits(walk(*used, *layout, 5), fresh));
}

TEST_P(OptimizerConformance, SameBitsFromEveryObject) {
  const auto layout = mixed_layout();
  EXPECT_TRUE(same_bits(walk(*make(), *layout, 20), walk(*make(), *layout, 20)));
}

// A weight's steps depend on nothing but that weight: neither on where it lies nor on its neighbours.
TEST_P(OptimizerConformance, EveryWeightIsSteppedAlike) {
  Layout::Builder slices;
  slices.add("w", {67});
  const auto layout = slices.build();
  const auto optimizer = make();
  optimizer->reset(*layout);
  std::vector<float> w(67, 0.7F);
  for (const float gradient : {0.3F, -0.2F, 1e-3F})
    optimizer->step(*layout, w, std::vector<float>(67, gradient), 0.05);
  for (const float value : w) EXPECT_FLOAT_EQ(value, w[0]);
}

// f(w) = sum_i c_i / 2 (w_i - 1)^2 with c from 0.5 to 2. From 3 away, with steps of at most about 0.1, it
// must fall by far; adagrad with its shrinking steps is the slowest (sum of 0.1 / sqrt(t) over 400 steps is
// 4).
TEST_P(OptimizerConformance, GoesDownOnAQuadratic) {
  constexpr std::size_t kWeights = 16;
  Layout::Builder slices;
  slices.add("w", {kWeights});
  const auto layout = slices.build();
  const auto optimizer = make();
  optimizer->reset(*layout);
  std::vector<float> w(kWeights, -2.0F);
  std::vector<float> gradient(kWeights);
  const auto curvature = [](std::size_t i) { return 0.5F + 0.1F * static_cast<float>(i); };
  const auto loss = [&] {
    double sum = 0.0;
    for (std::size_t i = 0; i < kWeights; ++i)
      sum += 0.5 * static_cast<double>(curvature(i) * (w[i] - 1.0F) * (w[i] - 1.0F));
    return sum;
  };
  const double before = loss();
  for (int t = 0; t < 400; ++t) {
    for (std::size_t i = 0; i < kWeights; ++i) gradient[i] = curvature(i) * (w[i] - 1.0F);
    optimizer->step(*layout, w, gradient, 0.1);
  }
  EXPECT_LT(loss(), 0.05 * before);
}

TEST_P(OptimizerConformance, StepsAndResetsAllocateNothing) {
  if (!kCountsAllocations) GTEST_SKIP() << "allocations are not counted in this build";
  const auto layout = mixed_layout();
  const auto optimizer = make();
  std::vector<float> w(layout->size(), 1.0F);
  const std::vector<float> gradient(layout->size(), 0.1F);
  optimizer->reset(*layout);
  const std::size_t before = allocation_count();
  for (int task = 0; task < 2; ++task) {
    for (int t = 0; t < 5; ++t) optimizer->step(*layout, w, gradient, 0.1);
    optimizer->reset(*layout);
  }
  EXPECT_EQ(allocation_count(), before);
}

INSTANTIATE_TEST_SUITE_P(Registry, OptimizerConformance,
                         testing::ValuesIn(OptimizerRegistry::instance().names()),
                         [](const auto& instance) { return instance.param; });

class OptimizerConformanceDeathTest : public OptimizerConformance {};

TEST_P(OptimizerConformanceDeathTest, StepNeedsResetForTheLayout) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto layout = mixed_layout();
  std::vector<float> w(layout->size(), 1.0F);
  EXPECT_DEATH(make()->step(*layout, w, w, 0.1), "without reset");
}

INSTANTIATE_TEST_SUITE_P(Registry, OptimizerConformanceDeathTest,
                         testing::ValuesIn(OptimizerRegistry::instance().names()),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace fedloom
