// The first law: one experiment, one model and one event log, to the last bit, however the machine runs it.
// Real processes and sockets; whole product for two strategies, the extremes for every other one.
#include <map>

#include "algorithms/algorithm.hpp"
#include "tests/support/algorithms.hpp"
#include "tests/support/program.hpp"

namespace fedloom::testing {
namespace {

const Words kSmall = set({"rounds=3", "data.clients=12", "pacer.clients_per_round=6", "evaluate.clients=3"});

Words on(int workers, const std::string& transport, const std::string& aggregate = "worker") {
  return {"--workers", std::to_string(workers),         "--transport", transport,
          "--set",     "runtime.aggregate=" + aggregate};
}

class SameBits : public ::testing::Test {
 protected:
  /// Every way of running gives the first one's outcome.
  void expect_equal(const Words& experiment, const std::vector<Words>& ways) {
    Outcome first;
    for (const Words& way : ways) {
      const Outcome outcome = run_job(folder_ / ("run" + std::to_string(++runs_)), experiment + way);
      if (&way == &ways.front()) first = outcome;
      std::string text;
      for (const std::string& word : experiment + way) text += word + " ";
      EXPECT_EQ(outcome, first) << text;
    }
    EXPECT_FALSE(first.model_hash.empty());
  }

  TempFolder folder_;
  int runs_ = 0;
};

class SameBitsFully : public SameBits, public ::testing::WithParamInterface<std::string> {};

TEST_P(SameBitsFully, WorkersTimesTransports) {
  std::vector<Words> ways;
  for (const int workers : {1, 2, 3, 8})
    for (const char* transport : {"inproc", "ipc", "tcp"}) ways.push_back(on(workers, transport));
  ways.push_back(on(1, "inproc", "server"));
  ways.push_back(on(3, "ipc", "server"));
  ways.push_back(on(2, "tcp", "server"));
  expect_equal(kSmall + set({"strategy=" + GetParam()}), ways);
}

INSTANTIATE_TEST_SUITE_P(TwoStrategies, SameBitsFully, ::testing::Values("fedavg", "scaffold"),
                         [](const auto& instance) { return instance.param; });

class SameBitsOfEach : public SameBits, public ::testing::WithParamInterface<std::string> {};

TEST_P(SameBitsOfEach, OneThreadAgainstThreeProcesses) {
  // Pooled data is one client; the cohort is then one whatever is asked.
  Words experiment = kSmall + set({"strategy=" + GetParam()});
  if (needs_lora(GetParam()))
    experiment = experiment + set({"adapter.name=lora", "adapter.targets=[\"*\"]", "adapter.rank=2"});
  expect_equal(experiment, {on(1, "inproc"), on(3, "ipc"), on(3, "ipc", "server")});
}

INSTANTIATE_TEST_SUITE_P(Registry, SameBitsOfEach, ::testing::ValuesIn(AlgorithmRegistry::instance().names()),
                         [](const auto& instance) { return instance.param; });

// Late, surplus and partial work are decided in virtual time, so they do not depend on the machine either.
TEST_F(SameBits, WithStragglersOverSelectionAndDeadline) {
  for (const char* policy : {"keep", "drop"}) {
    const Words experiment =
        kSmall + set({"train.epochs=4", "stragglers.fraction=0.5", std::string("stragglers.policy=") + policy,
                      "pacer.over_selection=0.5", "pacer.deadline=3s", "pacer.min_clients=2"});
    expect_equal(experiment, {on(1, "inproc"), on(3, "ipc"), on(2, "tcp", "server")});
    const std::string events = contents(folder_ / ("run" + std::to_string(runs_)) + "/events.jsonl");
    EXPECT_NE(events.find(std::string(policy) == "drop" ? "\"discarded\"" : "\"surplus\""), std::string::npos)
        << "the experiment does not do what it is here for";
  }
}

// Noise, samples and a norm that follows the updates are keyed like all randomness; a budget ends every way
// of running after the same round.
TEST_F(SameBits, WithPrivacyOfExamplesAndOfClients) {
  const Words examples = kSmall + set({"rounds=6", "privacy={unit: example, epsilon: 8, participations: 2}"});
  expect_equal(examples, {on(1, "inproc"), on(3, "ipc"), on(2, "tcp", "server")});
  EXPECT_NE(contents(folder_ / ("run" + std::to_string(runs_)) + "/events.jsonl").find("\"privacy budget\""),
            std::string::npos)
      << "the experiment does not do what it is here for";
  expect_equal(kSmall + set({"evaluate.clients=0", "sampler=poisson", "pacer.weights=uniform",
                             "privacy={unit: client, noise_multiplier: 0.3, adaptive: {quantile: 0.5}}"}),
               {on(1, "inproc"), on(3, "ipc"), on(2, "tcp", "server")});
  expect_equal(kSmall + set({"evaluate.clients=0", "strategy=fedprox",
                             "privacy={unit: client, noise_multiplier: 1, noise: client}"}),
               {on(1, "inproc"), on(3, "ipc"), on(2, "tcp", "server")});
}

TEST_F(SameBits, WithThreadsInAWorker) {
  expect_equal(kSmall, {on(1, "ipc"), on(1, "ipc") + set({"runtime.threads=4"}),
                        on(2, "ipc") + set({"runtime.threads=3"})});
}

// What is not part of the experiment must show: otherwise the comparisons above compare constants.
TEST_F(SameBits, AnotherSeedIsAnotherRun) {
  const Outcome one = run_job(folder_ / "one", kSmall + on(1, "inproc"));
  const Outcome two = run_job(folder_ / "two", kSmall + on(1, "inproc") + Words{"--seed", "2"});
  EXPECT_NE(one.model_hash, two.model_hash);
  EXPECT_NE(one.events_hash, two.events_hash);
}

}  // namespace
}  // namespace fedloom::testing
