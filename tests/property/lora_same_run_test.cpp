// Same bits for the strategies of LoRA factors, where tasks differ in the form of their model, models go by
// patches and clients keep slices: workers, deaths and interruptions change nothing in the federation.
#include <algorithm>

#include <gtest/gtest.h>

#include "tests/property/small_run.hpp"
#include "tests/support/algorithms.hpp"
#include "tests/support/lora_world.hpp"

namespace fedloom::testing {
namespace {

struct Case {
  std::string algorithm;
  std::string settings;
  std::string name;
};

// Every strategy that registers, and what settings change about the way of models and updates.
std::vector<Case> cases() {
  std::vector<Case> cases;
  for (const std::string& algorithm : AlgorithmRegistry::instance().names())
    if (needs_lora(algorithm)) cases.push_back({algorithm, "{}", algorithm});
  for (const std::string algorithm : {"fedit", "flora", "flexlora", "hetlora"})
    cases.push_back({algorithm, "ranks: [3, 1, 2]", algorithm + "_ranks"});
  for (const std::string algorithm : {"fedit", "flora", "rolora", "fedex_lora"})
    cases.push_back({algorithm, "head: local", algorithm + "_local_head"});
  cases.push_back({"flora", "{ranks: [3, 1, 2], head: local}", "flora_ranks_local_head"});
  cases.push_back({"fedit", "aggregation_error: false", "fedit_by_sums"});
  cases.push_back({"rolora", "aggregation_error: false", "rolora_by_sums"});
  cases.push_back({"fedsa_lora", "head: averaged", "fedsa_lora_averaged_head"});
  cases.push_back({"fedex_lora", "truncate: 2", "fedex_lora_truncated"});
  cases.push_back({"lora_fair", "{init: xavier, lambda: 1, steps: 50}", "lora_fair_xavier"});
  cases.push_back({"hetlora", "{ranks: [3, 2], gamma: 0.4, lambda: 0.1}", "hetlora_prunes"});
  return cases;
}

class EveryLoraStrategy : public ::testing::TestWithParam<Case> {
 protected:
  static Job job(std::uint64_t trial) {
    Random random(trial, Stream::strategy);
    Job job;
    job.algorithm = GetParam().algorithm;
    job.settings = GetParam().settings;
    job.pacer = fmt::format("{{clients_per_round: {}, over_selection: {}}}", 2 + random.below(5),
                            random.bernoulli(0.3) ? 0.5 : 0.0);
    for (std::size_t& size : job.sizes) size = random.below(10);
    job.sizes[0] += 1;
    job.recipe = {.epochs = 1 + static_cast<std::int64_t>(random.below(3)),
                  .batch_size = 1 + static_cast<std::int64_t>(random.below(6)),
                  .learning_rate = 0.1};
    job.windows = 5;
    job.adapter_alpha = kLoraAlpha;
    job.world = small_lora_world;
    return job;
  }
  static void expect_same(const Outcome& outcome, const Outcome& reference) {
    EXPECT_EQ(outcome.events, reference.events);
    EXPECT_EQ(outcome.model(), reference.model());
    EXPECT_EQ(outcome.state.server.slots, reference.state.server.slots);
    EXPECT_EQ(outcome.state.server.scalars, reference.state.server.scalars);
    EXPECT_EQ(outcome.kept, reference.kept);
  }
};

TEST_P(EveryLoraStrategy, RunsTheSameOnAnyMachinery) {
  for (std::uint64_t trial = 0; trial < 4; ++trial) {
    SCOPED_TRACE(trial);
    const Outcome reference = run(job(trial));
    ASSERT_EQ(reference.state.windows, 5U);
    ASSERT_EQ(reference.state.server.version, 5U);
    for (const Circumstances& circumstances :
         {Circumstances{.workers = 1, .threads = 3}, Circumstances{.workers = 3, .threads = 1},
          Circumstances{.workers = 2, .threads = 2, .hold = false}, Circumstances{.workers = 8}})
      expect_same(run(job(trial), circumstances), reference);
  }
}

TEST_P(EveryLoraStrategy, SurvivesDeathsOfWorkersAtAnyMoment) {
  const Outcome reference = run(job(1));
  for (std::uint64_t moment = 1; moment < reference.looks + 3; moment += 1 + moment / 6) {
    SCOPED_TRACE(fmt::format("death after {} of {}", moment, reference.looks));
    expect_same(run(job(1), {.workers = 2, .threads = 2, .death_after = moment}), reference);
  }
}

TEST_P(EveryLoraStrategy, ResumesToTheSameEnd) {
  Job wanted = job(2);
  wanted.windows = 6;
  const Outcome reference = run(wanted);
  for (std::uint64_t moment = 2; moment < reference.looks; moment += 1 + moment / 5) {
    SCOPED_TRACE(fmt::format("cut off after {} of {}", moment, reference.looks));
    Circumstances first{.workers = 2, .threads = 1, .interrupt_after = moment, .checkpoint_every = 2};
    first.store = std::make_shared<MemoryClientStore>();
    const Outcome part = run(wanted, first);
    Circumstances second{.workers = 1, .threads = 2, .checkpoint_every = 2};
    second.store = first.store;
    second.resume = part.checkpoint;
    const Outcome rest = run(wanted, second);
    EXPECT_EQ(rest.model(), reference.model());
    EXPECT_EQ(rest.state.server.scalars, reference.state.server.scalars);
    EXPECT_EQ(rest.kept, reference.kept);
    EXPECT_EQ(rest.state.totals.bytes_down, reference.state.totals.bytes_down);
    ASSERT_LE(rest.events.size(), reference.events.size());
    EXPECT_TRUE(std::equal(rest.events.rbegin(), rest.events.rend(), reference.events.rbegin()));
  }
}

// A model that was wiped out runs the same everywhere too.
TEST_P(EveryLoraStrategy, Learns) {
  Job wanted = job(3);
  wanted.pacer = "clients_per_round: 8";
  const Outcome outcome = run(wanted);
  double first = 0.0;
  double last = 0.0;
  std::size_t rounds = 0;
  for (const std::string& line : outcome.events) {
    const auto at = line.find("\"train_loss\":");
    if (line.find("\"window_closed\"") == std::string::npos || at == std::string::npos) continue;
    last = std::stod(line.substr(at + 13));
    if (rounds++ == 0) first = last;
  }
  EXPECT_EQ(rounds, 5U);
  EXPECT_LT(last, 0.8 * first);
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryLoraStrategy, ::testing::ValuesIn(cases()),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace fedloom::testing
