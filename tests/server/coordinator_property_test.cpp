// Laws of the coordinator under random histories: every task ends exactly once with one verdict, the totals
// add up, and a run that is taken up from any boundary, through the bytes of a checkpoint, is the same run.
#include <cmath>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "server/checkpoint.hpp"
#include "tests/server/scripted_port.hpp"

namespace fedloom::testing {
namespace {

FederationSetup random_setup(Random& random) {
  FederationSetup setup;
  setup.clients = 1 + random.below(12);
  setup.parameters = 3;
  setup.config.seed = random.next64();
  setup.config.windows = 1 + random.below(6);
  setup.config.recipe.epochs = 4;
  setup.config.evaluate_every = random.below(3);
  setup.config.evaluate_clients = random.below(3);
  setup.config.stragglers = {random.bernoulli(0.5) ? 0.4 : 0.0, random.bernoulli(0.5)};
  setup.sampler = random.bernoulli(0.3) ? "all" : random.bernoulli(0.5) ? "uniform" : "weighted";
  setup.pacer =
      fmt::format("{{clients_per_round: {}, over_selection: {}, deadline: {}, min_clients: {}, weights: {}}}",
                  1 + random.below(8), random.bernoulli(0.5) ? 0.0 : 0.5, random.bernoulli(0.5) ? "0s" : "7s",
                  1 + random.below(3), random.bernoulli(0.5) ? "examples" : "uniform");
  return setup;
}

std::map<std::string, FloatBuffer> slots_of(const std::string& algorithm, float value, std::size_t size) {
  std::map<std::string, FloatBuffer> slots;
  if (algorithm != "local_only") slots["delta"] = FloatBuffer(size, value);
  if (algorithm == "scaffold") slots["control_delta"] = FloatBuffer(size, value / 2);
  return slots;
}

// What becomes of a task is a function of its id, as in a real run.
Update answer(const std::string& algorithm, TaskId id, std::uint64_t seed, std::size_t size = 3) {
  Random random(seed, Stream::attack, id.client, id.number);
  const double fate = random.uniform();
  const auto value = static_cast<float>(random.normal());
  Update update = make_update(id, random.below(11), slots_of(algorithm, value, size));
  update.scalars["bits"] = random.uniform();
  if (fate < 0.05)
    update = make_update(id, 10, slots_of(algorithm, std::nanf(""), size));
  else if (fate < 0.10)
    update = make_update(id, 10, slots_of(algorithm, 5000.0F, size));
  else if (fate < 0.15)
    update = make_update(id, 10, slots_of(algorithm, 1.0F, size + 1));
  else if (fate < 0.20)
    update = make_update(id, 1000, slots_of(algorithm, 1.0F, size));
  if (fate > 0.9) {
    update = {};
    update.id = id;
    update.reason = Reason::failed;
  }
  return update;
}

// Live tasks end in a keyed order at increasing ticks; some are lost; deadlines come when due.
class History {
 public:
  History(Federation& federation, std::string algorithm, std::uint64_t seed)
      : federation_(federation), algorithm_(std::move(algorithm)), seed_(seed) {}

  void run(Tick now) {
    federation_.coordinator->begin(now);
    while (!federation_.coordinator->ended()) {
      std::set<std::pair<Tick, TaskId>> due;
      std::set<TaskId> ended;
      for (const auto& event : federation_.port.ends) ended.insert(event.task);
      for (const TaskEnded& event : federation_.port.all<TaskEnded>()) ended.insert(event.task);
      for (const TaskStarted& event : federation_.port.all<TaskStarted>())
        if (!ended.contains(event.task)) due.emplace(event.tick + duration(event.task), event.task);
      ASSERT_FALSE(due.empty()) << "nothing is running and the federation has not ended";
      const auto [tick, id] = *due.begin();
      const auto& deadlines = federation_.port.looks;
      if (!deadlines.empty() && deadlines.back().second < tick && seen_ < deadlines.size()) {
        seen_ = deadlines.size();
        federation_.coordinator->on_moment(deadlines.back().second, Moment::look, deadlines.back().first);
        continue;
      }
      Random random(seed_, Stream::network, id.client, id.number);
      if (random.bernoulli(0.1)) {
        federation_.coordinator->on_lost(tick, id, Reason::disconnected);
      } else {
        const Update update = answer(algorithm_, id, seed_);
        federation_.report(tick, update);
        // The same again, and from nowhere: neither may count.
        if (random.bernoulli(0.2)) federation_.coordinator->on_finished(tick, update);
        if (random.bernoulli(0.2))
          federation_.coordinator->on_finished(tick, answer(algorithm_, {77, 1}, seed_));
      }
    }
  }

 private:
  Tick duration(TaskId id) const {
    Random random(seed_, Stream::duration, id.client, 1000 + id.number);
    return static_cast<Tick>(1 + random.below(10));
  }

  Federation& federation_;
  std::string algorithm_;
  std::uint64_t seed_;
  std::size_t seen_ = 0;
};

const std::vector<std::string> kAlgorithms = {"fedavg", "scaffold", "fedadam", "fedavgm", "local_only"};

TEST(CoordinatorLaws, EveryTaskEndsExactlyOnceAndTotalsAddUp) {
  for (std::uint64_t trial = 0; trial < 300; ++trial) {
    SCOPED_TRACE(trial);
    Random random(trial, Stream::sampling);
    const std::string& name = kAlgorithms[random.below(kAlgorithms.size())];
    const Algorithm algorithm = make_algorithm_of(name);
    const FederationSetup setup = random_setup(random);
    Federation federation(*algorithm.strategy, setup);
    History(federation, name, trial).run(0);
    ASSERT_FALSE(::testing::Test::HasFatalFailure());

    std::map<WindowId, std::uint64_t> started;
    std::map<TaskId, int> open;
    for (const TaskStarted& event : federation.port.all<TaskStarted>()) {
      ++started[event.window];
      EXPECT_EQ(open[event.task]++, 0) << "task number given twice";
    }
    std::uint64_t up = 0;
    for (const TaskEnded& event : federation.port.all<TaskEnded>()) {
      EXPECT_EQ(open[event.task]++, 1) << "ended twice or never started";
      EXPECT_EQ(event.verdict == Verdict::accepted, event.reason == Reason::none);
      up += event.bytes_up;
    }
    for (const auto& end : federation.port.ends)
      EXPECT_EQ(open[end.task]++, 2) << "told twice or before its end";
    for (const auto& [task, count] : open) EXPECT_EQ(count, 3) << task.client << "." << task.number;
    std::uint64_t all = 0;
    std::uint64_t accepted = 0;
    std::uint64_t closed_up = 0;
    for (const WindowClosed& event : federation.port.all<WindowClosed>()) {
      const std::uint64_t ended =
          event.accepted + event.rejected + event.discarded + event.lost + event.cancelled;
      EXPECT_EQ(ended, started[event.window]);
      all += ended;
      accepted += event.accepted;
      closed_up += event.bytes_up;
    }
    const FederationTotals& totals = federation.coordinator->state().totals;
    EXPECT_EQ(totals.tasks, all);
    EXPECT_EQ(totals.client_trainings, accepted);
    EXPECT_EQ(closed_up, up);
    for (const ClientsEvaluated& event : federation.port.all<ClientsEvaluated>()) up += event.bytes_up;
    EXPECT_EQ(totals.bytes_up, up);
    for (const float value : federation.coordinator->state().server.model.values())
      EXPECT_TRUE(std::isfinite(value));
  }
}

std::vector<std::string> lines(const std::vector<FederationEvent>& events) {
  std::vector<std::string> lines;
  for (const FederationEvent& event : events) lines.push_back(to_json(event));
  return lines;
}

TEST(CoordinatorLaws, ResumingAtAnyBoundaryIsTheSameRun) {
  for (std::uint64_t trial = 0; trial < 60; ++trial) {
    SCOPED_TRACE(trial);
    Random random(trial, Stream::sampling, 1);
    const std::string& name = kAlgorithms[random.below(kAlgorithms.size())];
    const Algorithm algorithm = make_algorithm_of(name);
    const FederationSetup setup = random_setup(random);
    Federation whole(*algorithm.strategy, setup);
    History(whole, name, trial).run(0);
    ASSERT_FALSE(::testing::Test::HasFatalFailure());
    const std::vector<std::string> expected = lines(whole.port.events);

    for (const FederationState& boundary : whole.port.boundaries) {
      Checkpoint checkpoint;
      checkpoint.state = boundary;
      const std::string bytes = checkpoint_to_bytes(checkpoint);
      FederationState state =
          checkpoint_from_bytes(bytes, boundary.server.model.layout_ptr(), "memory").state;
      const Tick now = state.now;
      Federation resumed(*algorithm.strategy, setup, std::move(state));
      History(resumed, name, trial).run(now);
      ASSERT_FALSE(::testing::Test::HasFatalFailure());
      const std::vector<std::string> rest = lines(resumed.port.events);
      ASSERT_FALSE(rest.empty());
      ASSERT_LE(rest.size(), expected.size());
      EXPECT_EQ(rest, std::vector<std::string>(expected.end() - static_cast<std::ptrdiff_t>(rest.size()),
                                               expected.end()));
      // Nothing between the boundary and the rest was left out: the rest opens with the next window. At the
      // last boundary the state does not know yet that it is the last.
      EXPECT_FALSE(boundary.ended);
      if (&boundary != &whole.port.boundaries.back()) {
        const auto* opened = std::get_if<WindowOpened>(&resumed.port.events.front());
        ASSERT_NE(opened, nullptr);
        EXPECT_EQ(opened->window, boundary.windows + 1);
      }
      EXPECT_EQ(checkpoint_to_bytes({resumed.coordinator->state()}),
                checkpoint_to_bytes({whole.coordinator->state()}));
    }
  }
}

TEST(CoordinatorLaws, OrderOfTheSumChangesNothing) {
  for (std::uint64_t trial = 0; trial < 40; ++trial) {
    Random random(trial, Stream::sampling, 2);
    const std::string& name = kAlgorithms[random.below(4)];
    const Algorithm algorithm = make_algorithm_of(name);
    const FederationSetup setup = random_setup(random);
    Federation reference(*algorithm.strategy, setup);
    History(reference, name, trial).run(0);
    Federation other(*algorithm.strategy, setup);
    other.port.rearrange = [&random](std::vector<Fold::Term>& terms) { random.shuffle(std::span(terms)); };
    History(other, name, trial).run(0);
    EXPECT_EQ(lines(other.port.events), lines(reference.port.events)) << trial;
  }
}

}  // namespace
}  // namespace fedloom::testing
