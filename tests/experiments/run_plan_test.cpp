// Workers, tasks and threads for one task: together never more than the cores, unless the user says so.
#include "experiments/run_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "wiring/core_shares.hpp"

namespace fedloom {
namespace {

Workers plan(std::uint64_t parallel, std::uint64_t workers = 0, std::uint64_t threads = 0) {
  ExperimentConfig config;
  config.train.parallel = parallel;
  config.runtime.workers = workers;
  config.runtime.threads = threads;
  return worker_plan(config);
}

std::size_t cores() { return usable_cores().size(); }

TEST(RunPlan, NoDefaultAsksForMoreThreadsThanCores) {
  for (const std::uint64_t parallel : {0U, 1U, 2U, 3U, 4U, 64U}) {
    const Workers workers = plan(parallel);
    EXPECT_GE(workers.processes * workers.tasks * workers.crew, 1U);
    EXPECT_LE(workers.processes * workers.tasks * workers.crew, cores()) << parallel << " pieces";
    EXPECT_LE(workers.crew, std::max<std::uint64_t>(parallel, 1));
  }
}

TEST(RunPlan, WithoutPiecesEveryCoreHasAWorker) {
  const Workers workers = plan(0);
  EXPECT_EQ(workers.processes, cores());
  EXPECT_EQ(workers.tasks, 1U);
  EXPECT_EQ(workers.crew, 1U);
}

TEST(RunPlan, ManyPiecesGiveAllCoresToOneTask) {
  const Workers workers = plan(1024);
  EXPECT_EQ(workers.processes, 1U);
  EXPECT_EQ(workers.tasks, 1U);
  EXPECT_EQ(workers.crew, cores());
}

TEST(RunPlan, GivenThreadsAreSharedBetweenTasksAndTheirCrews) {
  const Workers workers = plan(2, 3, 5);
  EXPECT_EQ(workers.processes, 3U);
  EXPECT_EQ(workers.crew, 2U);
  EXPECT_EQ(workers.tasks, 2U);
  EXPECT_EQ(plan(0, 3, 5).tasks, 5U);
}

}  // namespace
}  // namespace fedloom
