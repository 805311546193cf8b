// Steps of SGD worked out by hand, and that only trained slices move.
#include <gtest/gtest.h>

#include <vector>

#include "core/error.hpp"
#include "models/optimizer.hpp"

namespace fedloom {
namespace {

std::unique_ptr<Optimizer> sgd(const std::string& settings) {
  const ConfigNode node = settings.empty() ? ConfigNode() : ConfigNode::from_text(settings, "test");
  return OptimizerRegistry::instance().find("sgd", "optimizer").make(node);
}

std::shared_ptr<const Layout> one_slice(Role role = Role::trained) {
  Layout::Builder slices;
  slices.add("w", {1}, role);
  return slices.build();
}

// Values of w after each of the steps with these gradients, from w = 1.
std::vector<float> walk(const std::string& settings, const std::vector<float>& gradients, double rate) {
  const auto optimizer = sgd(settings);
  const auto layout = one_slice();
  optimizer->reset(*layout);
  std::vector<float> w = {1.0F};
  std::vector<float> path;
  for (const float gradient : gradients) {
    optimizer->step(*layout, w, std::vector<float>{gradient}, rate);
    path.push_back(w[0]);
  }
  return path;
}

void expect_near(const std::vector<float>& values, const std::vector<float>& expected) {
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], expected[i], 1e-6F) << "step " << i;
}

TEST(Sgd, PlainStep) {
  // 1 - 0.5 * 0.2 = 0.9; 0.9 - 0.5 * -1 = 1.4.
  expect_near(walk("", {0.2F, -1.0F}, 0.5), {0.9F, 1.4F});
}

TEST(Sgd, MomentumWithoutDampening) {
  // v = 0.2, w = 0.98; v = 0.9 * 0.2 + 0.1 = 0.28, w = 0.952.
  expect_near(walk("momentum: 0.9", {0.2F, 0.1F}, 0.1), {0.98F, 0.952F});
}

TEST(Sgd, NesterovLooksAhead) {
  // v = 0.2, step 0.2 + 0.18 = 0.38, w = 0.962; v = 0.28, step 0.1 + 0.252 = 0.352, w = 0.9268.
  expect_near(walk("{momentum: 0.9, nesterov: true}", {0.2F, 0.1F}, 0.1), {0.962F, 0.9268F});
}

TEST(Sgd, WeightDecayIsAddedToTheGradient) {
  // g = 0.2 + 0.5 * 1 = 0.7, w = 0.93; g = 0.1 + 0.5 * 0.93 = 0.565, w = 0.8735.
  expect_near(walk("weight_decay: 0.5", {0.2F, 0.1F}, 0.1), {0.93F, 0.8735F});
  // With momentum: v = 0.7, w = 0.93; v = 0.63 + 0.565 = 1.195, w = 0.8105.
  expect_near(walk("{weight_decay: 0.5, momentum: 0.9}", {0.2F, 0.1F}, 0.1), {0.93F, 0.8105F});
}

TEST(Sgd, StepsOnlyTrainedSlices) {
  Layout::Builder slices;
  for (const Role role : {Role::frozen, Role::trained, Role::statistic, Role::local, Role::trained})
    slices.add(fmt::format("s{}", slices.build()->slices().size()), {3}, role);
  const auto layout = slices.build();
  for (const char* settings : {"", "momentum: 0.9", "weight_decay: 0.1", "{momentum: 0.5, nesterov: true}"}) {
    const auto optimizer = sgd(settings);
    optimizer->reset(*layout);
    std::vector<float> w(15, 1.0F);
    optimizer->step(*layout, w, std::vector<float>(15, 1.0F), 0.1);
    for (const Slice& slice : layout->slices())
      for (std::size_t i = 0; i < slice.size; ++i)
        EXPECT_EQ(w[slice.offset + i] == 1.0F, slice.role != Role::trained) << settings << " " << slice.name;
  }
}

TEST(Sgd, ResetForgetsMomentum) {
  const auto optimizer = sgd("momentum: 0.9");
  const auto layout = one_slice();
  std::vector<float> w = {0.0F};
  for (int task = 0; task < 2; ++task) {
    optimizer->reset(*layout);
    w[0] = 1.0F;
    optimizer->step(*layout, w, std::vector<float>{1.0F}, 0.1);
    EXPECT_EQ(w[0], 0.9F);
  }
}

TEST(Sgd, KnowsWhenItIsPlain) {
  EXPECT_TRUE(sgd("")->is_plain_sgd());
  EXPECT_FALSE(sgd("momentum: 0.9")->is_plain_sgd());
  EXPECT_FALSE(sgd("weight_decay: 0.1")->is_plain_sgd());
}

TEST(Sgd, RefusesSettingsOutOfRange) {
  EXPECT_THROW(sgd("momentum: 1.5"), UserError);
  EXPECT_THROW(sgd("weight_decay: -1"), UserError);
  EXPECT_THROW(sgd("nesterov: true"), UserError);
}

TEST(SgdDeathTest, StepNeedsResetForTheLayout) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto optimizer = sgd("");
  std::vector<float> w = {1.0F};
  EXPECT_DEATH(optimizer->step(*one_slice(), w, std::vector<float>{1.0F}, 0.1), "without reset");
}

}  // namespace
}  // namespace fedloom
