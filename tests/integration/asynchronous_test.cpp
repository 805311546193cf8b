// Asynchronous federations as real processes: the same bits on any machinery and after a kill, the same
// course in real time as in simulated time, and on deployed clients.
#include <map>

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

// What happened, in order and without its ticks; `ticks` has them, by what happened.
std::vector<std::string> course(const std::string& out, std::map<std::string, Tick>& ticks) {
  std::vector<std::string> lines;
  const auto note = [&](Tick tick, const std::string& key, const std::string& rest) {
    lines.push_back(key + rest);
    ticks[key] = tick;
  };
  for_each_event(out + "/events.jsonl", kWholeFile, [&](const FederationEvent& event) {
    if (const auto* started = std::get_if<TaskStarted>(&event))
      note(started->tick, fmt::format("{} starts {}", started->task.client, started->task.number),
           fmt::format(" from {}", started->version));
    else if (const auto* ended = std::get_if<TaskEnded>(&event))
      note(ended->tick, fmt::format("{} ends {}", ended->task.client, ended->task.number),
           fmt::format(" as {}, {} behind", to_string(ended->verdict), ended->staleness));
    else if (const auto* closed = std::get_if<WindowClosed>(&event))
      note(closed->tick, fmt::format("window {} closes", closed->window),
           fmt::format(" with {}", closed->accepted));
  });
  return lines;
}

class RealClock : public ::testing::TestWithParam<Pacing> {};

// Durations whose events lie at least 100 ms apart (found by search; the ends of FedFix's windows included).
// Whatever comes half of that late on a machine that is busy otherwise may come in another order.
TEST_P(RealClock, HasTheCourseOfTheSimulation) {
  const TempFolder folder;
  const Words job =
      set({"data.clients=8", "rounds=3", "evaluate.every=0",
           "devices={task: {name: list, values: [240ms, 840ms, 1100ms, 1560ms, 1770ms, 1790ms, 1930ms, "
           "1970ms]}}",
           fmt::format("pacer={}", GetParam().pacer)});
  const Outcome simulated = run_job(folder / "virtual", job + Words{"--workers", "1"});
  const Outcome real = run_job(folder / "real", job + Words{"--workers", "1", "--set", "clock=real"});
  std::map<std::string, Tick> planned;
  std::map<std::string, Tick> happened;
  const auto wanted = course(folder / "virtual", planned);
  const auto found = course(folder / "real", happened);
  Tick late = 0;
  for (const auto& [what, tick] : happened)
    if (planned.contains(what)) late = std::max(late, tick - planned.at(what));
  if (found != wanted && late > 50'000'000)
    GTEST_SKIP() << "this machine was too busy to tell: something came " << late / 1'000'000 << " ms late";
  EXPECT_EQ(found, wanted);
  EXPECT_EQ(real.model_hash, simulated.model_hash);
}

// Tasks that end together while the server waits for a sum: each is a window of its own, one after the other.
TEST(RealTime, EndsThatCoincideAreTakenOneByOne) {
  const TempFolder folder;
  (void)run_job(folder / "run", set({"data.clients=8", "rounds=24", "evaluate.every=1", "clock=real",
                                     "pacer=async_fedavg", "devices={task: 40ms}", "runtime.workers=2"}));
  WindowId windows = 0;
  Tick last = 0;
  for_each_event(folder / "run/events.jsonl", kWholeFile, [&](const FederationEvent& event) {
    const auto* closed = std::get_if<WindowClosed>(&event);
    if (closed == nullptr) return;
    EXPECT_EQ(closed->window, ++windows);
    EXPECT_EQ(closed->accepted, 1U);
    EXPECT_EQ(closed->version, windows);
    EXPECT_GE(closed->tick, last);
    last = closed->tick;
  });
  EXPECT_EQ(windows, 24U);
}

INSTANTIATE_TEST_SUITE_P(All, RealClock,
                         ::testing::Values(Pacing{"fedfix", "{name: fedfix, window: 700ms}"},
                                           Pacing{"fedbuff", "{name: fedbuff, buffer: 3}"}),
                         [](const auto& instance) { return instance.param.name; });

// ---- runs that cannot get anywhere ----

struct Hopeless {
  const char* name;
  std::vector<std::string> settings;
  const char* said;
  bool in_fixed_windows = true;  // whether windows that close by time end with it as well
};

void PrintTo(const Hopeless& hopeless, std::ostream* out) { *out << hopeless.name; }

class EndsWithAReason : public ::testing::TestWithParam<Hopeless> {};

TEST_P(EndsWithAReason, UnderEveryPacerThatOverlaps) {
  for (const char* pacer :
       {"fedfix", "async_fedavg", "fedasync", "{name: fedbuff, buffer: 2}", "semi_sync"}) {
    SCOPED_TRACE(pacer);
    const bool fixed_windows = std::string(pacer) == "fedfix" || std::string(pacer) == "semi_sync";
    if (fixed_windows && !GetParam().in_fixed_windows) continue;
    const TempFolder folder;
    const Ended ended =
        finish(Words{"run", kSmallJob, "--quiet", "--no-report", "--out", folder / "run"} +
               set({"data.clients=3", "devices={task: 1s}", "rounds=100000", "evaluate.every=0",
                    "runtime.transport=inproc", "runtime.workers=1", fmt::format("pacer={}", pacer)}) +
               set(GetParam().settings));
    EXPECT_EQ(ended.code, 2) << ended.err;
    EXPECT_NE(ended.err.find(GetParam().said), std::string::npos) << ended.err;
  }
}

INSTANTIATE_TEST_SUITE_P(All, EndsWithAReason,
                         ::testing::Values(Hopeless{"Rejected", {"train.lr=1e38"}, "rejected"},
                                           Hopeless{"Lost", {"devices.dropout=1"}, "all lost"},
                                           Hopeless{
                                               "OutOfTime", {"devices.task=1e10"}, "time is over", false}),
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
