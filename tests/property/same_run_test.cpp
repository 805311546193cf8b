// Same bits: what happens to machines changes nothing in the federation. Every registered algorithm, random
// jobs, random circumstances; the event log and the model are compared to the bit.
#include <algorithm>
#include <mutex>
#include <set>

#include <gtest/gtest.h>

#include "server/checkpoint.hpp"
#include "tests/property/small_run.hpp"
#include "tests/support/algorithms.hpp"

namespace fedloom::testing {
namespace {

class EveryAlgorithm : public ::testing::TestWithParam<std::string> {
 protected:
  /// Randomly made, but always the same for a trial.
  Job job(std::uint64_t trial) const {
    Random random(trial, Stream::strategy);
    Job job;
    job.algorithm = GetParam();
    job.pacer =
        fmt::format("{{clients_per_round: {}, over_selection: {}, weights: {}}}", 1 + random.below(8),
                    random.bernoulli(0.3) ? 0.5 : 0.0, random.bernoulli(0.7) ? "examples" : "uniform");
    job.sampler = random.bernoulli(0.5) ? "uniform" : "weighted";
    for (std::size_t& size : job.sizes) size = random.below(10);
    job.sizes[0] += 1;
    job.parameters = 1 + random.below(40);
    job.recipe = {.epochs = 1 + static_cast<std::int64_t>(random.below(3)),
                  .batch_size = 1 + static_cast<std::int64_t>(random.below(6)),
                  .learning_rate = 0.05};
    job.stragglers = {random.bernoulli(0.3) ? 0.5 : 0.0, random.bernoulli(0.5)};
    if (make_algorithm(job.algorithm).strategy->traits().pools_data) job.sizes = {30};
    return job;
  }
  static void expect_same(const Outcome& outcome, const Outcome& reference) {
    EXPECT_EQ(outcome.events, reference.events);
    EXPECT_EQ(outcome.model(), reference.model());
    EXPECT_EQ(outcome.state.server.slots, reference.state.server.slots);
    EXPECT_EQ(outcome.kept, reference.kept);
  }
};

TEST_P(EveryAlgorithm, RunsTheSameOnAnyMachinery) {
  for (std::uint64_t trial = 0; trial < 6; ++trial) {
    SCOPED_TRACE(trial);
    const Outcome reference = run(job(trial));
    ASSERT_EQ(reference.state.windows, 4U);
    for (const Circumstances& circumstances :
         {Circumstances{.workers = 1, .threads = 3}, Circumstances{.workers = 3, .threads = 1},
          Circumstances{.workers = 2, .threads = 2, .hold = false},
          Circumstances{.workers = 8, .hold = true}})
      expect_same(run(job(trial), circumstances), reference);
  }
}

TEST_P(EveryAlgorithm, SurvivesDeathsOfWorkersAtAnyMoment) {
  const Outcome reference = run(job(1));
  for (std::uint64_t moment = 1; moment < reference.looks + 3; moment += 1 + moment / 6)
    for (const bool hold : {true, false}) {
      SCOPED_TRACE(fmt::format("death after {} of {}, hold {}", moment, reference.looks, hold));
      expect_same(run(job(1), {.workers = 2, .threads = 2, .hold = hold, .death_after = moment}), reference);
    }
}

// Cut off at any moment, with a store that has already heard of the future, and taken up from the latest
// checkpoint: the events that were cut back and the rest make the whole.
TEST_P(EveryAlgorithm, ResumesToTheSameEnd) {
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
    EXPECT_EQ(rest.state.server.slots, reference.state.server.slots);
    EXPECT_EQ(rest.kept, reference.kept);
    ASSERT_LE(rest.events.size(), reference.events.size());
    EXPECT_TRUE(std::equal(rest.events.rbegin(), rest.events.rend(), reference.events.rbegin()));
    EXPECT_EQ(rest.events.size() == reference.events.size(), !part.checkpoint.has_value());
  }
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryAlgorithm, ::testing::ValuesIn(algorithms_of_any_model()),
                         [](const auto& name) { return name.param; });

// ---- every pacer, on devices that break off and come and go ----

/// Durations of 1 to 12 ticks, a tenth of tasks break off, clients are away two fifths of the time in
/// stretches of 7.
class ScriptedDevices : public Devices {
 public:
  Course course(const Work& work, Tick) const override {
    Random random(1, Stream::duration, work.task.client, work.task.number);
    Course course;
    course.duration = 1 + static_cast<Tick>(random.below(12));
    if (random.bernoulli(0.1)) course.lost = Reason::disconnected;
    return course;
  }
  Tick typical(const Work& work) const override { return 4 + static_cast<Tick>(work.task.client % 5); }
  Tick sample_duration(const Work& work, std::uint64_t draw) const override {
    Random random(2, Stream::duration, work.task.client, static_cast<std::uint32_t>(draw));
    return 1 + static_cast<Tick>(random.below(12));
  }
  bool varies() const override { return true; }
  bool available(ClientId client, Tick now) const override {
    return Random(1, Stream::availability, client, static_cast<std::uint32_t>(now / 7)).bernoulli(0.6);
  }
  std::optional<Tick> next_available(ClientId client, Tick now) const override {
    while (!available(client, now)) now = (now / 7 + 1) * 7;
    return now;
  }
};

class EveryPacing : public ::testing::TestWithParam<std::string> {
 protected:
  static std::string settings(const std::string& pacer) {
    if (pacer == "sync") return "{clients_per_round: 4, over_selection: 0.5, deadline: 9s}";
    if (pacer == "fedfix" || pacer == "semi_sync") return "window: 5s";
    if (pacer == "fedbuff") return "{buffer: 3, concurrency: 5, weights: examples}";
    if (pacer == "fedasync") return "{concurrency: 4, max_staleness: 6}";
    return "{}";
  }
  static Job job(const std::string& algorithm) {
    Job job;
    job.algorithm = algorithm;
    job.pacer_name = GetParam();
    job.pacer = settings(job.pacer_name);
    job.devices = std::make_shared<ScriptedDevices>();
    job.windows = 12;
    job.evaluate_interval = 6;
    return job;
  }
  static std::shared_ptr<const Layout> quadratic_layout(const Job& job) {
    return quadratic_world(job.algorithm, job.settings, job.parameters, job.sizes)->model->layout();
  }
  static std::vector<std::string> algorithms() {
    // Control variates are not relative to the current model, which is what FedAsync sums.
    return GetParam() == "fedasync" ? std::vector<std::string>{"fedavg", "fedadam"}
                                    : std::vector<std::string>{"fedavg", "fedadam", "scaffold"};
  }
};

TEST_P(EveryPacing, RunsTheSameOnAnyMachinery) {
  for (const std::string& algorithm : algorithms()) {
    SCOPED_TRACE(algorithm);
    const Outcome reference = run(job(algorithm));
    ASSERT_EQ(reference.state.windows, 12U);
    for (const Circumstances& circumstances :
         {Circumstances{.workers = 1, .threads = 3}, Circumstances{.workers = 2, .threads = 2, .hold = false},
          Circumstances{.workers = 8}}) {
      const Outcome outcome = run(job(algorithm), circumstances);
      EXPECT_EQ(outcome.events, reference.events);
      EXPECT_EQ(outcome.model(), reference.model());
      EXPECT_EQ(outcome.kept, reference.kept);
    }
  }
}

TEST_P(EveryPacing, SurvivesDeathsOfWorkersAtAnyMoment) {
  const Outcome reference = run(job("fedavg"));
  for (std::uint64_t moment = 1; moment < reference.looks + 3; moment += 1 + moment / 5) {
    SCOPED_TRACE(moment);
    const Outcome outcome = run(job("fedavg"), {.workers = 2, .threads = 2, .death_after = moment});
    EXPECT_EQ(outcome.events, reference.events);
    EXPECT_EQ(outcome.model(), reference.model());
  }
}

TEST_P(EveryPacing, ResumesToTheSameEndWithTasksInFlight) {
  for (const std::string& algorithm : algorithms()) {
    const Outcome reference = run(job(algorithm));
    std::size_t in_flight = 0;
    for (std::uint64_t moment = 2; moment < reference.looks; moment += 1 + moment / 6) {
      SCOPED_TRACE(fmt::format("{} cut off after {} of {}", algorithm, moment, reference.looks));
      Circumstances first{.workers = 2, .interrupt_after = moment, .checkpoint_every = 2};
      first.store = std::make_shared<MemoryClientStore>();
      const Outcome part = run(job(algorithm), first);
      Circumstances second{.workers = 1, .threads = 2, .checkpoint_every = 2};
      second.store = first.store;
      if (part.checkpoint) {
        in_flight += part.checkpoint->live.size();
        // Through the bytes of a file, as after a crash.
        Checkpoint checkpoint;
        checkpoint.state = *part.checkpoint;
        second.resume = checkpoint_from_bytes(checkpoint_to_bytes(checkpoint),
                                              quadratic_layout(job(algorithm)), "checkpoint")
                            .state;
      }
      const Outcome rest = run(job(algorithm), second);
      EXPECT_EQ(rest.model(), reference.model());
      EXPECT_EQ(rest.kept, reference.kept);
      ASSERT_LE(rest.events.size(), reference.events.size());
      EXPECT_TRUE(std::equal(rest.events.rbegin(), rest.events.rend(), reference.events.rbegin()));
    }
    EXPECT_EQ(in_flight > 0, GetParam() != "sync");
  }
}

// Every task has one end, and what is said of windows adds up to what is said of tasks.
TEST_P(EveryPacing, NothingIsLostSilently) {
  Job timed = job("fedavg");
  timed.windows = 0;
  timed.duration = 60;
  const Outcome outcome = run(timed);
  const auto count = [&](const char* type) {
    return std::ranges::count_if(outcome.events, [&](const std::string& line) {
      return line.find(fmt::format("\"{}\"", type)) != std::string::npos;
    });
  };
  EXPECT_GT(count("task_started"), 5);
  EXPECT_EQ(count("task_started"), count("task_ended"));
  EXPECT_EQ(static_cast<std::uint64_t>(count("task_ended")), outcome.state.totals.tasks);
  EXPECT_EQ(outcome.state.now, 60);
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryPacing, ::testing::ValuesIn(PacerRegistry::instance().names()),
                         [](const auto& name) { return name.param; });

// ---- kept states ----

/// Knows what it holds.
class CountedStore : public MemoryClientStore {
 public:
  void propose(ClientId client, std::uint32_t version, const TensorMap& slots) override {
    MemoryClientStore::propose(client, version, slots);
    const std::scoped_lock lock(mutex_);
    states_.insert({client, version});
  }
  void drop(ClientId client, std::uint32_t version) override {
    MemoryClientStore::drop(client, version);
    const std::scoped_lock lock(mutex_);
    states_.erase({client, version});
  }
  std::size_t count() {
    const std::scoped_lock lock(mutex_);
    return states_.size();
  }

 private:
  std::mutex mutex_;
  std::set<TaskId> states_;
};

Job long_job() {
  Job job;
  job.algorithm = "scaffold";
  job.windows = 40;
  return job;
}

constexpr std::size_t kStateful = 8;  // clients
constexpr std::size_t kUnheard = 8;   // states that the worker hears to forget only when the run has ended

TEST(KeptStates, WithoutCheckpointsOneForEachClientStays) {
  const auto store = std::make_shared<CountedStore>();
  (void)run(long_job(), {.store = store});
  EXPECT_LE(store->count(), kStateful + kUnheard);
}

// Each client has the state that counts and those that two checkpoints name, however often the run was cut
// off.
TEST(KeptStates, WhatNoCheckpointNamesIsForgottenAfterResumesToo) {
  const std::uint64_t looks = run(long_job()).looks;
  const auto store = std::make_shared<CountedStore>();
  Circumstances part{.interrupt_after = looks / 6, .checkpoint_every = 1, .checkpoints_kept = 2};
  part.store = store;
  std::size_t resumes = 0;
  for (Outcome outcome = run(long_job(), part); outcome.interrupted; outcome = run(long_job(), part)) {
    ASSERT_TRUE(outcome.checkpoint.has_value()) << "no way was made";
    part.resume = outcome.checkpoint;
    ASSERT_LT(++resumes, 40U);
  }
  EXPECT_GE(resumes, 4U);
  EXPECT_LE(store->count(), 3 * kStateful + kUnheard);
}

}  // namespace
}  // namespace fedloom::testing
