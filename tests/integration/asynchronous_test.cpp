// Asynchronous federations as real processes: the same bits on any machinery and after a kill, the same
// course in real time as in simulated time, and on deployed clients.
#include <cstdlib>

#include <fmt/format.h>

#include "experiments/sinks/events_log.hpp"
#include "tests/integration/federation.hpp"

namespace fedloom::testing {
namespace {

struct Pacing {
  const char* name;
  const char* pacer;
};

void PrintTo(const Pacing& pacing, std::ostream* out) { *out << pacing.name; }

// Eight clients whose tasks break off, who come and go, and whose links take their time.
const Words kDevices = set(
    {"data.clients=8", "rounds=40", "evaluate.every=10", "train.epochs=1",
     "devices={compute: {name: lognormal, mu: 0, sigma: 0.5, scale: 1ms}, uplink: 1MB/s, downlink: 2MB/s, "
     "jitter: {name: lognormal, sigma: 0.2}, availability: {name: bernoulli, probability: 0.7, period: 1s}, "
     "dropout: 0.05, failure: 0.02}"});

class EveryPacer : public ::testing::TestWithParam<Pacing> {
 protected:
  Words job() const { return kDevices + set({fmt::format("pacer={}", GetParam().pacer)}); }
  TempFolder folder_;
};

TEST_P(EveryPacer, GivesTheSameBitsOnAnyMachinery) {
  const Outcome first = run_job(folder_ / "one", job() + Words{"--workers", "1", "--transport", "inproc"});
  EXPECT_FALSE(first.model_hash.empty());
  EXPECT_EQ(run_job(folder_ / "three", job() + Words{"--workers", "3", "--transport", "ipc"}), first);
  EXPECT_EQ(run_job(folder_ / "server", job() + Words{"--workers", "8", "--transport", "tcp", "--set",
                                                      "runtime.aggregate=server"}),
            first);
}

TEST_P(EveryPacer, IsTheSameRunAfterEverythingWasKilled) {
  const Words longer = job() + set({"rounds=400", "checkpoint.every=20"}) + Words{"--workers", "2"};
  const Outcome whole = run_job(folder_ / "whole", longer);
  const std::string out = folder_ / "killed";
  for (const std::size_t rounds : {30U, 150U}) {
    auto process = start(Words{"run", kSmallJob, "--no-report", "--out", out, "--resume"} + longer);
    ASSERT_TRUE(wait_for_rounds(out, rounds)) << process->err();
    process->signal(SIGKILL);
    EXPECT_EQ(process->wait().signal, SIGKILL);
  }
  EXPECT_EQ(run_job(out, longer + Words{"--resume"}), whole);
}

INSTANTIATE_TEST_SUITE_P(
    All, EveryPacer,
    ::testing::Values(Pacing{"sync",
                             "{name: sync, clients_per_round: 4, over_selection: 0.5, deadline: 300ms}"},
                      Pacing{"fedfix", "{name: fedfix, window: 50ms}"},
                      Pacing{"async_fedavg", "async_fedavg"},
                      Pacing{"fedasync", "{name: fedasync, concurrency: 5, max_staleness: 20}"},
                      Pacing{"fedbuff", "{name: fedbuff, buffer: 3, concurrency: 6}"},
                      Pacing{"semi_sync", "{name: semi_sync, window: 60ms}"}),
    [](const auto& instance) { return instance.param.name; });

// ---- real time beside simulated time ----

// Tasks as they started and ended, without their ticks.
std::vector<std::string> course(const std::string& out, std::vector<Tick>& ticks) {
  std::vector<std::string> lines;
  for_each_event(out + "/events.jsonl", kWholeFile, [&](const FederationEvent& event) {
    if (const auto* started = std::get_if<TaskStarted>(&event)) {
      lines.push_back(
          fmt::format("{} starts {} from {}", started->task.client, started->task.number, started->version));
      ticks.push_back(started->tick);
    } else if (const auto* ended = std::get_if<TaskEnded>(&event)) {
      lines.push_back(fmt::format("{} ends {} as {}, {} behind", ended->task.client, ended->task.number,
                                  to_string(ended->verdict), ended->staleness));
      ticks.push_back(ended->tick);
    } else if (const auto* closed = std::get_if<WindowClosed>(&event)) {
      lines.push_back(fmt::format("window {} closes with {}", closed->window, closed->accepted));
      ticks.push_back(closed->tick);
    }
  });
  return lines;
}

class RealClock : public ::testing::TestWithParam<Pacing> {};

// Durations whose events lie at least 100 ms apart (found by search; the ends of FedFix's windows included).
TEST_P(RealClock, HasTheCourseOfTheSimulation) {
  const TempFolder folder;
  const Words job =
      set({"data.clients=8", "rounds=3", "evaluate.every=0",
           "devices={task: {name: list, values: [240ms, 840ms, 1100ms, 1560ms, 1770ms, 1790ms, 1930ms, "
           "1970ms]}}",
           fmt::format("pacer={}", GetParam().pacer)});
  const Outcome simulated = run_job(folder / "virtual", job + Words{"--workers", "1"});
  const Outcome real = run_job(folder / "real", job + Words{"--workers", "1", "--set", "clock=real"});
  std::vector<Tick> planned;
  std::vector<Tick> happened;
  const auto wanted = course(folder / "virtual", planned);
  const auto found = course(folder / "real", happened);
  Tick late = 0;
  for (std::size_t i = 0; i < std::min(planned.size(), happened.size()); ++i)
    late = std::max(late, happened[i] - planned[i]);
  if (found != wanted && late > 40'000'000)
    GTEST_SKIP() << "this machine was too busy to tell: an event came " << late / 1'000'000 << " ms late";
  EXPECT_EQ(found, wanted);
  EXPECT_EQ(real.model_hash, simulated.model_hash);
}

INSTANTIATE_TEST_SUITE_P(All, RealClock,
                         ::testing::Values(Pacing{"fedfix", "{name: fedfix, window: 700ms}"},
                                           Pacing{"fedbuff", "{name: fedbuff, buffer: 3}"}),
                         [](const auto& instance) { return instance.param.name; });

// ---- deployed ----

class DeployedPacer : public ::testing::TestWithParam<Pacing> {};

TEST_P(DeployedPacer, RunsToItsEndOverRealSockets) {
  const TempFolder folder;
  DeployedFederation federation(
      folder, 3, set({"rounds=20", "evaluate.every=20", fmt::format("pacer={}", GetParam().pacer)}));
  federation.start_server("tcp://127.0.0.1:0");
  federation.start_clients();
  const RunSummary summary = federation.expect_good_end();
  EXPECT_EQ(summary.rounds, 20U);
  EXPECT_GE(summary.clients_accepted, 20U);
  EXPECT_GT(summary.final_test_accuracy.value_or(0.0), 0.1);
}

INSTANTIATE_TEST_SUITE_P(All, DeployedPacer,
                         ::testing::Values(Pacing{"fedfix", "{name: fedfix, window: 50ms}"},
                                           Pacing{"async_fedavg", "async_fedavg"},
                                           Pacing{"fedasync", "fedasync"},
                                           Pacing{"fedbuff", "{name: fedbuff, buffer: 2}"},
                                           Pacing{"semi_sync", "{name: semi_sync, window: 50ms}"}),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace fedloom::testing
