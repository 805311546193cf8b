// A training step in steady state allocates nothing: the whole local loop (gather, forward, loss, backward,
// correction, clipping, optimizer) under every registered model with every registered optimizer.
#include <gtest/gtest.h>

#include <numeric>

#include "algorithms/batch_gradient.hpp"
#include "algorithms/local_training.hpp"
#include "tests/models/allocation_count.hpp"
#include "tests/support/noise_data.hpp"

namespace fedloom::testing {
namespace {

// Notes the allocations so far in the middle of two steps, so that all parts of the steps between are
// counted.
struct Counts {
  std::size_t first = 0;
  std::size_t last = 0;
};

class NotingObjective : public LocalObjective {
 public:
  explicit NotingObjective(Counts& counts) : counts_(counts) {}

  void correct(TaskRun& run, std::span<float> /*gradient*/) const override {
    if (run.steps == 5) counts_.first = allocation_count();
    if (run.steps == 19) counts_.last = allocation_count();
  }

 private:
  Counts& counts_;
};

// Allocations from the sixth step to the twentieth: three of four epochs over 18 examples, five steps each,
// the last with a smaller batch.
std::size_t allocations(const std::string& model, Optimizer& optimizer, std::int64_t micro_batch) {
  Recipe recipe{.epochs = 4, .batch_size = 4, .learning_rate = 1e-3};
  recipe.schedule = {.shape = ScheduleShape::cosine, .warmup = 3};
  recipe.clip_norm = 0.1;
  recipe.micro_batch = micro_batch;
  NoiseTask task(model_with_data(model), 18, recipe, &optimizer);
  optimizer.reset(*task.run.model->layout());
  Counts counts;
  train_locally(NotingObjective(counts), task.run);
  EXPECT_EQ(task.run.steps, 20U);
  EXPECT_GT(counts.first, 0U);
  return counts.last - counts.first;
}

class SteadyState : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!kCountsAllocations) GTEST_SKIP() << "allocations are not counted in this build";
    ASSERT_NE(model_with_data(GetParam()).model, nullptr) << "a form of data is missing in small_models.hpp";
  }
};

TEST_P(SteadyState, TrainingAllocatesNothing) {
  for (const auto& [name, entry] : OptimizerRegistry::instance().entries()) {
    const auto optimizer = entry.make(ConfigNode());
    for (const std::int64_t micro_batch : {0, 3})
      EXPECT_EQ(allocations(GetParam(), *optimizer, micro_batch), 0U)
          << name << (micro_batch > 0 ? " in pieces" : "");
  }
}

TEST_P(SteadyState, ClippedSumsAllocateNothing) {
  const LocalObjective objective;
  NoiseTask task(model_with_data(GetParam()), 18, {.batch_size = 4});
  BatchGradient gradient(objective, task.run);
  std::vector<std::uint32_t> positions(18);
  std::iota(positions.begin(), positions.end(), 0U);
  gradient.clipped_sum(positions, 0.1);
  const std::size_t before = allocation_count();
  for (const std::size_t size : {18U, 0U, 3U, 7U})
    gradient.clipped_sum(std::span(positions).first(size), 0.1);
  EXPECT_EQ(allocation_count(), before);
}

INSTANTIATE_TEST_SUITE_P(Registry, SteadyState, ::testing::ValuesIn(ModelRegistry::instance().names()),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace fedloom::testing
