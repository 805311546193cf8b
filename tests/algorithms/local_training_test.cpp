// The local SGD loop: how many steps, which examples, in which order, with which gradient.
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "tests/support/quadratic.hpp"

namespace fedloom::testing {
namespace {

struct Trained {
  std::vector<std::vector<std::uint32_t>> batches;
  std::uint64_t steps = 0;
  std::uint64_t loss_count = 0;
  double loss_sum = 0.0;
  float parameter = 0.0F;
};

Trained train(std::size_t examples, const Recipe& recipe, TaskId id = {0, 1}, std::uint64_t seed = 1) {
  const QuadraticModel model(1);
  const SliceSet exchanged = SliceSet::exchanged(*model.layout());
  std::vector<std::vector<float>> rows;
  for (std::size_t i = 0; i < examples; ++i) rows.push_back({1.0F, static_cast<float>(i)});
  QuadraticData data(1, rows);
  PlainDescent descent;
  const auto workspace = model.workspace(std::max<std::size_t>(1, examples));
  Task task;
  task.id = id;
  const FloatBuffer start = {0.0F};
  FloatBuffer parameters = start;
  FloatBuffer gradient(1);
  TaskRun run;
  run.task = &task;
  run.model = &model;
  run.exchanged = &exchanged;
  run.data = &data;
  run.workspace = workspace.get();
  run.optimizer = &descent;
  run.recipe = recipe;
  run.seed = seed;
  run.start = start;
  run.parameters = parameters;
  run.gradient = gradient;
  const LocalObjective objective;
  objective.work("train", run);
  return {data.batches, run.steps, run.loss_count, run.loss_sum, parameters[0]};
}

TEST(LocalTraining, EpochsCountTheLastPartialBatch) {
  // 10 examples in batches of 4: 4 + 4 + 2, three steps per epoch.
  const Trained done = train(10, {.epochs = 3, .batch_size = 4, .learning_rate = 0.1});
  ASSERT_EQ(done.steps, 9U);
  EXPECT_EQ(done.loss_count, 30U);
  for (std::size_t i = 0; i < 9; ++i) EXPECT_EQ(done.batches[i].size(), i % 3 == 2 ? 2U : 4U);
}

TEST(LocalTraining, EveryEpochSeesEveryExampleOnceInAFreshOrder) {
  const Trained done = train(23, {.epochs = 5, .batch_size = 6, .learning_rate = 0.1});
  std::vector<std::vector<std::uint32_t>> epochs(5);
  for (std::size_t i = 0; i < done.batches.size(); ++i)
    epochs[i / 4].insert(epochs[i / 4].end(), done.batches[i].begin(), done.batches[i].end());
  std::set<std::vector<std::uint32_t>> orders;
  for (auto& epoch : epochs) {
    orders.insert(epoch);
    std::sort(epoch.begin(), epoch.end());
    ASSERT_EQ(epoch.size(), 23U);
    for (std::uint32_t i = 0; i < 23; ++i) EXPECT_EQ(epoch[i], i);
  }
  EXPECT_EQ(orders.size(), 5U);
}

TEST(LocalTraining, StepsReplaceEpochsAndGoOverTheirEnd) {
  const Trained done = train(10, {.epochs = 1, .steps = 7, .batch_size = 4, .learning_rate = 0.1});
  ASSERT_EQ(done.steps, 7U);
  const std::size_t sizes[] = {4, 4, 2, 4, 4, 2, 4};
  for (std::size_t i = 0; i < 7; ++i) EXPECT_EQ(done.batches[i].size(), sizes[i]);
  // The same examples as epochs would take.
  const Trained epochs = train(10, {.epochs = 3, .batch_size = 4, .learning_rate = 0.1});
  EXPECT_TRUE(std::equal(done.batches.begin(), done.batches.end(), epochs.batches.begin()));
}

TEST(LocalTraining, OrderIsKeyedBySeedClientAndTask) {
  const Recipe recipe{.epochs = 2, .batch_size = 8, .learning_rate = 0.1};
  const Trained reference = train(40, recipe, {3, 7}, 5);
  EXPECT_EQ(train(40, recipe, {3, 7}, 5).batches, reference.batches);
  EXPECT_NE(train(40, recipe, {4, 7}, 5).batches, reference.batches);
  EXPECT_NE(train(40, recipe, {3, 8}, 5).batches, reference.batches);
  EXPECT_NE(train(40, recipe, {3, 7}, 6).batches, reference.batches);
}

TEST(LocalTraining, ABatchLargerThanTheDataIsFullBatch) {
  // Mean pull of 0, 1, 2, 3 from y = 0 is 1.5: one step of 0.5 ends at 0.75.
  const Trained done = train(4, {.epochs = 1, .batch_size = 1000, .learning_rate = 0.5});
  EXPECT_EQ(done.steps, 1U);
  EXPECT_FLOAT_EQ(done.parameter, 0.75F);
  EXPECT_NEAR(done.loss_sum, 4 * std::log(2.0), 1e-12);  // cross-entropy of two equal logits, four times
}

TEST(LocalTraining, AnEmptyClientTakesNoStep) {
  const Trained done = train(0, {.epochs = 5, .steps = 9, .batch_size = 4, .learning_rate = 0.1});
  EXPECT_EQ(done.steps, 0U);
  EXPECT_EQ(done.loss_count, 0U);
  EXPECT_TRUE(done.batches.empty());
}

TEST(LocalTraining, NoEpochsNoSteps) { EXPECT_EQ(train(4, {.epochs = 0, .batch_size = 2}).steps, 0U); }

}  // namespace
}  // namespace fedloom::testing
