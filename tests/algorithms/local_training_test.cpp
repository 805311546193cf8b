// The local SGD loop: how many steps, which examples, in which order, with which gradient.
#include "algorithms/local_training.hpp"

#include <algorithm>
#include <cmath>
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

Trained train(const std::vector<std::vector<float>>& rows, const Recipe& recipe, TaskId id = {0, 1},
              std::uint64_t seed = 1, const LocalObjective& objective = LocalObjective()) {
  const QuadraticModel model(1);
  const SliceSet exchanged = SliceSet::exchanged(*model.layout());
  QuadraticData data(1, rows);
  PlainDescent descent;
  const auto workspace = model.workspace(static_cast<std::size_t>(recipe.examples_at_once()));
  Task task;
  task.id = id;
  const FloatBuffer start = {0.0F};
  FloatBuffer parameters = start;
  FloatBuffer gradient(1);
  TaskRun run;
  run.task = &task;
  run.model = &model;
  run.exchanged = run.uploaded = &exchanged;
  run.data = &data;
  run.workspace = workspace.get();
  run.optimizer = &descent;
  run.recipe = recipe;
  run.seed = seed;
  run.start = start;
  run.parameters = parameters;
  run.gradient = gradient;
  objective.work("train", run);
  return {data.batches, run.steps, run.loss_count, run.loss_sum, parameters[0]};
}

// Examples that pull towards 0, 1, 2, ...
Trained train(std::size_t examples, const Recipe& recipe, TaskId id = {0, 1}, std::uint64_t seed = 1) {
  std::vector<std::vector<float>> rows;
  for (std::size_t i = 0; i < examples; ++i) rows.push_back({1.0F, static_cast<float>(i)});
  return train(rows, recipe, id, seed);
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

// One example b = 10, y from 0 with rate 0.1: gradients y - 10, as long as 10 - y, are clipped to 2, so that
// each step goes 0.2 up (PyTorch's 1e-6 below the bound aside) until y is 8.
TEST(LocalTraining, ClipNormBoundsEveryStep) {
  const Recipe recipe{.steps = 3, .batch_size = 1, .learning_rate = 0.1, .clip_norm = 2.0};
  EXPECT_NEAR(train({{1.0F, 10.0F}}, recipe).parameter, 0.6, 1e-5);
  // Within the bound nothing changes: 10 - 10 * 0.9^3 = 2.71.
  Recipe loose = recipe;
  loose.clip_norm = 11.0;
  EXPECT_NEAR(train({{1.0F, 10.0F}}, loose).parameter, 2.71, 1e-5);
}

// The correction makes the gradient -110; it is clipped with the gradient, so the step is 2 * 0.1 all the
// same.
TEST(LocalTraining, ClipsWhatWasCorrected) {
  class Pulled : public LocalObjective {
   public:
    void correct(TaskRun&, std::span<float> gradient) const override { gradient[0] -= 100.0F; }
  };
  const Recipe recipe{.steps = 1, .batch_size = 1, .learning_rate = 0.1, .clip_norm = 2.0};
  EXPECT_NEAR(train({{1.0F, 10.0F}}, recipe, {0, 1}, 1, Pulled()).parameter, 0.2, 1e-5);
}

// An objective of its own is asked to correct, and steps apart; FedAvg's joins SGD and backward: the same
// bits.
TEST(LocalTraining, JoiningSgdWithBackwardChangesNoBit) {
  class Apart : public LocalObjective {};
  EXPECT_FALSE(LocalObjective().corrects());
  EXPECT_TRUE(Apart().corrects());
  Recipe recipe{.epochs = 3, .batch_size = 3, .learning_rate = 0.1};
  recipe.schedule = {.shape = ScheduleShape::step, .every = 2, .gamma = 0.7};
  for (const std::int64_t micro_batch : {0, 2}) {
    recipe.micro_batch = micro_batch;
    const std::vector<std::vector<float>> rows = {{1.0F, 3.0F}, {2.0F, -1.7F}, {0.3F, 5.1F}, {1.1F, 0.2F}};
    const Trained joined = train(rows, recipe);
    const Trained apart = train(rows, recipe, {0, 1}, 1, Apart());
    EXPECT_EQ(joined.parameter, apart.parameter);
    EXPECT_EQ(joined.loss_sum, apart.loss_sum);
    EXPECT_EQ(joined.steps, apart.steps);
  }
}

// Rates 1/4, 2/4, 3/4 of 0.4 in the warm-up, then 0.4 and half of it: y halves its way to b by the product of
// (1 - rate) = 0.9 * 0.8 * 0.7 * 0.6 * 0.8.
TEST(LocalTraining, ScheduleGoesOverTheStepsOfTheTask) {
  Recipe recipe{.steps = 5, .batch_size = 1, .learning_rate = 0.4};
  recipe.schedule = {.shape = ScheduleShape::step, .warmup = 3, .every = 1, .gamma = 0.5};
  EXPECT_NEAR(train({{1.0F, 1.0F}}, recipe).parameter, 1.0 - 0.9 * 0.8 * 0.7 * 0.6 * 0.8, 1e-6);
}

// Two epochs of three batches make the horizon 6: rates 0.5 (1 + cos(pi t / 6)) / 2.
TEST(LocalTraining, CosineEndsWithTheLastEpoch) {
  Recipe recipe{.epochs = 2, .batch_size = 2, .learning_rate = 0.5};
  recipe.schedule.shape = ScheduleShape::cosine;
  double left = 1.0;
  for (int t = 0; t < 6; ++t) left *= 1.0 - 0.25 * (1.0 + std::cos(3.14159265358979 * t / 6.0));
  const std::vector<std::vector<float>> same(5, {1.0F, 1.0F});
  EXPECT_NEAR(train(same, recipe).parameter, 1.0 - left, 1e-6);
}

TEST(LocalTraining, MicroBatchesCutABatchAndKeepItsStep) {
  Recipe recipe{.epochs = 2, .batch_size = 5, .learning_rate = 0.1};
  const Trained whole = train(8, recipe);
  recipe.micro_batch = 2;
  const Trained pieces = train(8, recipe);
  EXPECT_EQ(pieces.steps, whole.steps);
  EXPECT_EQ(pieces.loss_count, whole.loss_count);
  EXPECT_NEAR(pieces.loss_sum, whole.loss_sum, 1e-9);
  EXPECT_NEAR(pieces.parameter, whole.parameter, 1e-5);
  // 5 + 3 examples, twice, in the order of the whole batches.
  const std::size_t sizes[] = {2, 2, 1, 2, 1, 2, 2, 1, 2, 1};
  ASSERT_EQ(pieces.batches.size(), 10U);
  std::vector<std::uint32_t> order, whole_order;
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(pieces.batches[i].size(), sizes[i]) << i;
    order.insert(order.end(), pieces.batches[i].begin(), pieces.batches[i].end());
  }
  for (const auto& batch : whole.batches) whole_order.insert(whole_order.end(), batch.begin(), batch.end());
  EXPECT_EQ(order, whole_order);
}

TEST(LocalTraining, PlansStepsAsTheyAreTaken) {
  EXPECT_EQ(planned_steps({.epochs = 3, .batch_size = 4}, 10), 9);
  EXPECT_EQ(planned_steps({.epochs = 3, .batch_size = 5}, 10), 6);
  EXPECT_EQ(planned_steps({.epochs = 3, .batch_size = 50}, 10), 3);
  EXPECT_EQ(planned_steps({.epochs = 3, .steps = 7, .batch_size = 4}, 10), 7);
  EXPECT_EQ(planned_steps({.epochs = 3, .steps = 7, .batch_size = 4}, 0), 0);
}

}  // namespace
}  // namespace fedloom::testing
