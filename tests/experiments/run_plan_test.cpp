// Workers, tasks and threads for one task: together never more than the cores, unless the user says so.
#include "experiments/run_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "experiments/experiment_file.hpp"
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

// Where the server keeps its keys and lists is nobody else's business; all that says what is learned stays.
TEST(RunPlan, DeployedClientsHearNothingOfTheServersFiles) {
  ExperimentConfig config =
      parse_experiment("{data: {source: synthetic, clients: 4}, train: {lr: 0.25}}", "x").config;
  config.deploy.key = "/etc/secret/server.key";
  config.deploy.clients = "/etc/secret/clients.keys";
  config.deploy.listen = "ipc:///etc/secret/socket";
  config.runtime.status = "10.1.2.3:8480";
  config.init.emplace().file = "/etc/secret/model.safetensors";
  config.init->sha256 = "abc";
  config.plugins = {"/etc/secret/mine.so"};
  const std::string told = experiment_for_peers(config, true);
  EXPECT_EQ(told.find("/etc"), std::string::npos) << told;
  EXPECT_EQ(told.find("10.1.2.3"), std::string::npos) << told;
  const ExperimentConfig heard = parse_experiment(told, "told").config;
  EXPECT_EQ(heard.init->file, "model.safetensors");
  EXPECT_EQ(heard.plugins, std::vector<std::string>{"mine.so"});
  EXPECT_EQ(experiment_for_peers(config, false), resolved_yaml(config)) << "workers open them";
  config.plugins = heard.plugins;
  EXPECT_EQ(experiment_fingerprint(heard), experiment_fingerprint(config));
}

}  // namespace
}  // namespace fedloom
