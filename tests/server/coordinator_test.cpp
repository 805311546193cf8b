// The coordinator by hand: every event is a call, every command is written down. Numbers follow from FedAvg's
// rule: the model moves by the example-weighted mean of the accepted deltas.
#include "server/coordinator.hpp"

#include <cmath>
#include <limits>
#include <set>

#include <gtest/gtest.h>

#include "tests/server/scripted_port.hpp"
#include "transport/codec.hpp"

namespace fedloom::testing {
namespace {

const Strategy& fedavg() {
  static const Algorithm algorithm = make_algorithm_of("fedavg");
  return *algorithm.strategy;
}

std::vector<std::pair<Verdict, Reason>> verdicts(const ScriptedPort& port) {
  std::vector<std::pair<Verdict, Reason>> list;
  for (const TaskEnded& event : port.all<TaskEnded>()) list.emplace_back(event.verdict, event.reason);
  return list;
}

using Ending = std::pair<Verdict, Reason>;

// Four rounds: one of warm-up at half the rate 0.8, then 0.8 and a tenth of it every 2; lr_decay halves each
// round beside it. The recipe's own schedule, over the steps of a task, travels as it is.
TEST(Coordinator, RoundsFollowTheScheduleAndTheDecay) {
  FederationSetup setup;
  setup.clients = 1;
  setup.config.windows = 4;
  setup.config.recipe = {.steps = 1, .learning_rate = 0.8};
  setup.config.recipe.schedule = {.shape = ScheduleShape::cosine, .min_lr = 1e-4};
  setup.config.schedule = {.shape = ScheduleShape::step, .warmup = 1, .every = 2, .gamma = 0.1};
  setup.config.lr_decay = 0.5;
  Federation federation(fedavg(), setup);
  federation.coordinator->begin(0);
  for (Tick tick = 1; tick <= 4; ++tick) federation.finish(tick, 0, 1.0F);
  ASSERT_EQ(federation.port.started.size(), 4U);
  const double expected[] = {0.4, 0.8 * 0.5, 0.8 * 0.25, 0.08 * 0.125};
  for (std::size_t round = 0; round < 4; ++round) {
    EXPECT_DOUBLE_EQ(federation.port.started[round].recipe.learning_rate, expected[round]) << round;
    EXPECT_EQ(federation.port.started[round].recipe.schedule, setup.config.recipe.schedule);
  }
}

TEST(Coordinator, RunsASynchronousRound) {
  FederationSetup setup;
  setup.clients = 3;
  setup.config.windows = 2;
  setup.config.recipe = {.epochs = 5, .batch_size = 7, .learning_rate = 0.5};
  setup.config.lr_decay = 0.5;
  Federation federation(fedavg(), setup);
  federation.coordinator->begin(0);
  EXPECT_EQ(federation.open_clients(), (std::vector<ClientId>{0, 1, 2}));
  for (const Task& task : federation.port.started) {
    EXPECT_EQ(task.id.number, 1U);
    EXPECT_EQ(task.window, 1U);
    EXPECT_EQ(task.version, 0U);
    EXPECT_EQ(task.kind, "train");
    EXPECT_EQ(task.shared, std::vector<std::string>{"model"});
    EXPECT_EQ(task.recipe, setup.config.recipe);
  }
  federation.finish(3, 2, 4.0F, 12);
  federation.finish(4, 0, 1.0F, 10);
  EXPECT_EQ(federation.coordinator->open_window(), 1U);
  EXPECT_TRUE(federation.port.ends.empty());  // an accepted client hears when the sum is closed
  federation.finish(5, 1, 1.0F, 8);
  // (12 * 4 + 10 + 8) / 30 = 2.2
  EXPECT_NEAR(federation.parameter(), 2.2, 1e-6);
  EXPECT_EQ(federation.coordinator->open_window(), 2U);
  EXPECT_EQ(federation.coordinator->state().server.version, 1U);
  EXPECT_EQ(federation.port.ends.size(), 3U);
  const Task& next = federation.port.started.back();
  EXPECT_EQ(next.version, 1U);
  EXPECT_EQ(next.id.number, 2U);
  EXPECT_DOUBLE_EQ(next.recipe.learning_rate, 0.25);

  for (ClientId client = 0; client < 3; ++client) federation.finish(9, client, -2.2F);
  EXPECT_TRUE(federation.coordinator->ended());
  EXPECT_NEAR(federation.parameter(), 0.0, 1e-6);
  EXPECT_EQ(federation.port.all<WindowClosed>().size(), 2U);
  const auto closed = federation.port.all<WindowClosed>().front();
  EXPECT_EQ(closed.accepted, 3U);
  EXPECT_EQ(closed.tick, 5);
  EXPECT_DOUBLE_EQ(closed.train_loss, 0.5);
  ASSERT_EQ(federation.port.all<RunEnded>().size(), 1U);
  EXPECT_EQ(federation.port.all<RunEnded>()[0].reason, "rounds");
  EXPECT_TRUE(std::holds_alternative<RunEnded>(federation.port.events.back()));
  EXPECT_EQ(federation.port.boundaries.size(), 2U);
  EXPECT_FALSE(federation.port.boundaries.back().ended);  // so that a run of more rounds may go on from it
  EXPECT_TRUE(federation.coordinator->state().ended);
}

// sync_overselection: goal 3 of 4 selected, durations 7, 20, 9, 12: kept 0, 2, 3, the round lasts 12.
TEST(Coordinator, OverSelectionKeepsTheFirstOfTheGoal) {
  FederationSetup setup;
  setup.clients = 4;
  setup.pacer = "{clients_per_round: 3, over_selection: 0.3}";
  Federation federation(fedavg(), setup);
  federation.coordinator->begin(0);
  EXPECT_EQ(federation.open_clients(), (std::vector<ClientId>{0, 1, 2, 3}));
  federation.finish(7, 0, 1.0F);
  federation.finish(9, 2, 1.0F);
  federation.finish(12, 3, 4.0F);
  const auto closed = federation.port.all<WindowClosed>();
  ASSERT_EQ(closed.size(), 1U);
  EXPECT_EQ(closed[0].tick, 12);
  EXPECT_EQ(closed[0].accepted, 3U);
  EXPECT_EQ(closed[0].cancelled, 1U);
  EXPECT_NEAR(federation.parameter(), 2.0, 1e-6);
  const auto ended = federation.port.all<TaskEnded>().back();
  EXPECT_EQ(ended.task.client, 1U);
  EXPECT_EQ(ended.verdict, Verdict::cancelled);
  EXPECT_EQ(ended.reason, Reason::surplus);
  federation.finish(20, 1, 100.0F);  // too late, and nothing happens
  EXPECT_NEAR(federation.parameter(), 2.0, 1e-6);
}

TEST(Coordinator, TheAllSamplerIsNotCutShort) {
  FederationSetup setup;
  setup.sampler = "all";
  setup.pacer = "clients_per_round: 3";
  Federation federation(fedavg(), setup);
  federation.coordinator->begin(0);
  ASSERT_EQ(federation.open_clients().size(), 10U);
  for (ClientId client = 0; client < 10; ++client) {
    EXPECT_FALSE(federation.coordinator->ended());
    federation.finish(1, client, static_cast<float>(client));
  }
  EXPECT_TRUE(federation.coordinator->ended());
  EXPECT_NEAR(federation.parameter(), 4.5, 1e-6);
  EXPECT_EQ(federation.port.all<WindowClosed>()[0].accepted, 10U);
}

TEST(Coordinator, DeadlineClosesWithEnoughAndWaitsOtherwise) {
  FederationSetup setup;
  setup.clients = 3;
  setup.config.windows = 2;
  setup.pacer = "{clients_per_round: 3, deadline: 10s, min_clients: 2}";
  Federation federation(fedavg(), setup);
  federation.coordinator->begin(0);
  ASSERT_EQ(federation.port.looks, (std::vector<std::pair<WindowId, Tick>>{{1, 10}}));
  federation.finish(4, 0, 1.0F);
  federation.finish(6, 1, 3.0F);
  federation.coordinator->on_moment(10, Moment::look, 1);
  ASSERT_EQ(federation.port.all<WindowClosed>().size(), 1U);
  EXPECT_EQ(federation.port.all<WindowClosed>()[0].cancelled, 1U);
  EXPECT_EQ(verdicts(federation.port).back(), (Ending{Verdict::cancelled, Reason::late}));
  EXPECT_NEAR(federation.parameter(), 2.0, 1e-6);
  // Second window: one client in at the deadline is too few; the window goes on until there are two.
  EXPECT_EQ(federation.port.looks.back(), (std::pair<WindowId, Tick>{2, 20}));
  federation.finish(12, 0, 1.0F);
  federation.coordinator->on_moment(20, Moment::look, 2);
  EXPECT_FALSE(federation.coordinator->ended());
  federation.finish(25, 1, 1.0F);
  EXPECT_TRUE(federation.coordinator->ended());
  EXPECT_EQ(verdicts(federation.port).back(), (Ending{Verdict::cancelled, Reason::late}));
  EXPECT_NEAR(federation.parameter(), 3.0, 1e-6);
  federation.coordinator->on_moment(30, Moment::look, 2);  // of a window long closed
}

TEST(Coordinator, ADeadlineOfAnotherWindowIsIgnored) {
  FederationSetup setup;
  setup.clients = 2;
  setup.pacer = "{clients_per_round: 2, deadline: 10s}";
  Federation federation(fedavg(), setup);
  federation.coordinator->begin(0);
  federation.finish(1, 0, 1.0F);
  federation.coordinator->on_moment(10, Moment::look, 7);
  EXPECT_FALSE(federation.coordinator->ended());
  federation.coordinator->on_moment(10, Moment::look, 1);
  EXPECT_TRUE(federation.coordinator->ended());
}

TEST(Coordinator, RefusesWhatCannotBeSummedAndSaysWhy) {
  FederationSetup setup;
  setup.clients = 9;
  setup.pacer = "clients_per_round: 9";
  Federation federation(fedavg(), setup);
  federation.coordinator->begin(0);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const auto task = [&](ClientId client) { return federation.task_of(client); };
  federation.report(1, make_update(task(0), 10, {{"delta", {1.0F, std::nanf("")}}}));
  federation.report(1, make_update(task(1), 10, {{"delta", {-kInfinity, 1.0F}}}));
  federation.report(1, make_update(task(2), 10, {{"delta", {1024.5F, 1.0F}}}));
  federation.report(1, make_update(task(3), 10, {{"delta", {1.0F}}}));
  federation.report(1, make_update(task(4), 10, {{"gradient", {1.0F, 1.0F}}}));
  federation.report(1,
                    make_update(task(5), 1'000'000, {{"delta", {1.0F, 1.0F}}}));  // more examples than it has
  Update failed;
  failed.id = task(6);
  failed.reason = Reason::failed;
  failed.error = "no disk";
  federation.report(1, failed);
  Update odd = make_update(task(7), 10, {{"delta", {1.0F, 1.0F}}});
  odd.loss_sum = std::nan("");
  odd.scalars["bits"] = 1.0;
  federation.report(1, odd);
  Update poisoned = make_update(task(8), 10, {{"delta", {1.0F, 1.0F}}});
  poisoned.scalars["bits"] = std::nan("");
  federation.report(1, poisoned);
  const std::vector<Ending> expected = {
      {Verdict::rejected, Reason::not_finite}, {Verdict::rejected, Reason::not_finite},
      {Verdict::rejected, Reason::range},      {Verdict::rejected, Reason::layout},
      {Verdict::rejected, Reason::layout},     {Verdict::rejected, Reason::range},
      {Verdict::rejected, Reason::failed},     {Verdict::rejected, Reason::not_finite},
      {Verdict::rejected, Reason::not_finite}};
  EXPECT_EQ(verdicts(federation.port), expected);
  EXPECT_TRUE(federation.coordinator->ended());
  const auto closed = federation.port.all<WindowClosed>();
  ASSERT_EQ(closed.size(), 1U);
  EXPECT_EQ(closed[0].rejected, 9U);
  EXPECT_EQ(closed[0].version, 0U);  // nothing came in, so there is no new model
  EXPECT_EQ(federation.parameter(), 0.0);
  for (const auto& end : federation.port.ends) EXPECT_EQ(end.verdict, Verdict::rejected);
}

// A deployed client that says hello again in the middle of a window registers anew. The sum's scale is that
// of the first number, and so is what its update may claim.
TEST(Coordinator, ATaskIsJudgedByTheExamplesItWasStartedWith) {
  std::uint64_t registered = 10;
  FederationSetup setup;
  setup.clients = 3;
  setup.examples = [&registered](ClientId) { return registered; };
  Federation federation(fedavg(), setup);
  federation.coordinator->begin(0);
  registered = std::uint64_t{1} << 40U;
  federation.finish(1, 0, 1023.0F, registered);
  EXPECT_EQ(verdicts(federation.port).back(), (Ending{Verdict::rejected, Reason::range}));
  registered = 1;
  federation.finish(2, 1, 3.0F, 10);
  federation.finish(3, 2, 3.0F, 10);
  EXPECT_EQ(verdicts(federation.port).back(), (Ending{Verdict::accepted, Reason::none}));
  EXPECT_NEAR(federation.parameter(), 3.0, 1e-6);
}

TEST(Coordinator, TheEdgeOfTheRangeIsStillInside) {
  FederationSetup setup;
  setup.clients = 2;
  setup.pacer = "clients_per_round: 2";
  setup.examples = [](ClientId) { return 1'000'000U; };
  Federation federation(fedavg(), setup);
  federation.coordinator->begin(0);
  federation.finish(1, 0, 1024.0F, 1'000'000);
  federation.finish(1, 1, 1024.0F, 1'000'000);
  EXPECT_EQ(federation.parameter(), 1024.0);
}

TEST(Coordinator, IgnoresDuplicatesAndStrangers) {
  FederationSetup setup;
  setup.clients = 3;
  Federation federation(fedavg(), setup);
  federation.coordinator->begin(0);
  federation.finish(1, 0, 3.0F);
  federation.coordinator->on_finished(2, make_update({0, 1}, 10, {{"delta", {9.0F, 9.0F}}}));
  federation.coordinator->on_finished(2, make_update({0, 2}, 10, {{"delta", {9.0F, 9.0F}}}));
  federation.coordinator->on_finished(2, make_update({99, 1}, 10, {{"delta", {9.0F, 9.0F}}}));
  federation.coordinator->on_lost(2, {99, 1}, Reason::disconnected);
  federation.coordinator->on_lost(2, {0, 1}, Reason::disconnected);
  EXPECT_EQ(federation.port.all<TaskEnded>().size(), 1U);
  federation.coordinator->on_lost(3, federation.task_of(1), Reason::disconnected);
  EXPECT_EQ(verdicts(federation.port).back(), (Ending{Verdict::lost, Reason::disconnected}));
  federation.finish(4, 2, 5.0F);
  EXPECT_TRUE(federation.coordinator->ended());
  EXPECT_NEAR(federation.parameter(), 4.0, 1e-6);
  EXPECT_EQ(federation.port.all<WindowClosed>()[0].lost, 1U);
}

TEST(Coordinator, CountsWhatADeployedClientWouldMove) {
  FederationSetup setup;
  setup.clients = 2;
  setup.pacer = "clients_per_round: 2";
  setup.config.windows = 2;
  Federation federation(fedavg(), setup);
  federation.coordinator->begin(0);
  const Task first = federation.port.started.front();
  federation.finish(1, 0, 1.0F);
  federation.finish(1, 1, 1.0F);
  const auto started = federation.port.all<TaskStarted>();
  EXPECT_EQ(started[0].bytes_down, deployed_size(first) + deployed_shared_size("model", 2));
  const auto ended = federation.port.all<TaskEnded>();
  EXPECT_EQ(ended[0].bytes_up, deployed_size(federation.port.updates.at({0, 1})));
  const auto closed = federation.port.all<WindowClosed>();
  EXPECT_EQ(closed[0].bytes_up, ended[0].bytes_up + ended[1].bytes_up);
  EXPECT_EQ(closed[0].bytes_down,
            started[0].bytes_down + started[1].bytes_down + 2 * deployed_verdict_size());
}

// ---- who starts ----

TEST(Coordinator, WaitsForSomebodyToBeAvailable) {
  std::set<ClientId> here;
  FederationSetup setup;
  setup.clients = 5;
  setup.pacer = "clients_per_round: 2";
  setup.available = [&here](ClientId client) { return here.contains(client); };
  Federation federation(fedavg(), setup);
  federation.coordinator->begin(0);
  EXPECT_TRUE(federation.port.started.empty());
  federation.coordinator->on_available(1);
  EXPECT_TRUE(federation.port.started.empty());
  here = {3};
  federation.coordinator->on_available(2);
  EXPECT_EQ(federation.open_clients(), std::vector<ClientId>{3});
  here = {1, 3};
  federation.coordinator->on_available(3);  // the window has started: it is not joined later
  EXPECT_EQ(federation.open_clients(), std::vector<ClientId>{3});
  federation.finish(4, 3, 2.0F);
  EXPECT_TRUE(federation.coordinator->ended());
  EXPECT_NEAR(federation.parameter(), 2.0, 1e-6);
}

TEST(Coordinator, StragglersDoPartOfTheWork) {
  FederationSetup setup;
  setup.clients = 200;
  setup.pacer = "clients_per_round: 200";
  setup.config.recipe.epochs = 20;
  setup.config.stragglers = {0.5, true};
  Federation federation(fedavg(), setup);
  federation.coordinator->begin(0);
  std::uint64_t slow = 0;
  for (const Task& task : federation.port.started) {
    EXPECT_GE(task.recipe.epochs, 1);
    EXPECT_LE(task.recipe.epochs, 20);
    slow += task.recipe.epochs < 20 ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(slow), 100, 36);  // five standard deviations of a fair coin
  for (ClientId client = 0; client < 200; ++client) federation.finish(1, client, 1.0F);
  EXPECT_EQ(federation.port.all<WindowClosed>()[0].accepted, 200U);
}

TEST(Coordinator, DroppedStragglersAreDiscardedAsLate) {
  FederationSetup setup;
  setup.clients = 50;
  setup.pacer = "clients_per_round: 50";
  setup.config.recipe.epochs = 20;
  setup.config.stragglers = {0.5, false};
  Federation federation(fedavg(), setup);
  federation.coordinator->begin(0);
  std::set<ClientId> slow;
  for (const Task& task : federation.port.started)
    if (task.recipe.epochs < 20) slow.insert(task.id.client);
  for (ClientId client = 0; client < 50; ++client)
    federation.finish(1, client, slow.contains(client) ? 9.0F : 1.0F);
  const auto closed = federation.port.all<WindowClosed>();
  EXPECT_EQ(closed[0].discarded, slow.size());
  EXPECT_EQ(closed[0].accepted, 50U - slow.size());
  EXPECT_NEAR(federation.parameter(), 1.0, 1e-6);
  for (const TaskEnded& event : federation.port.all<TaskEnded>())
    EXPECT_EQ(event.reason, slow.contains(event.task.client) ? Reason::late : Reason::none);
}

TEST(Coordinator, SamplesByWindowAlone) {
  const auto cohorts = [](std::uint64_t seed) {
    FederationSetup setup;
    setup.clients = 1000;
    setup.config.windows = 5;
    setup.config.seed = seed;
    Federation federation(fedavg(), setup);
    federation.coordinator->begin(0);
    std::vector<std::vector<ClientId>> list;
    while (!federation.coordinator->ended()) {
      list.push_back(federation.open_clients());
      for (const ClientId client : list.back()) federation.finish(1, client, 1.0F);
    }
    return list;
  };
  const auto reference = cohorts(1);
  EXPECT_EQ(cohorts(1), reference);
  EXPECT_NE(cohorts(2), reference);
  EXPECT_EQ((std::set<std::vector<ClientId>>(reference.begin(), reference.end())).size(), 5U);
}

// ---- phases and kept state ----

// Two kinds of tasks per window: train, then extract at the same clients; the model moves by the mean delta
// and a scalar remembers what was extracted. Clients keep state.
class TwoPhases : public Strategy {
 public:
  Traits traits() const override { return {.keeps_client_state = true}; }
  std::optional<Phase> next_phase(const ServerState& state, const WindowSums& window,
                                  const Recipe& base) const override {
    if (window.phases.empty()) return train_phase(base, state.model.values().size());
    if (window.phases.size() > 1) return std::nullopt;
    Phase phase;
    phase.kind = "extract";
    phase.cohort = Phase::Cohort::same;
    phase.slots.push_back({.name = "feature", .size = 1, .weighting = Weighting::uniform, .range = 8.0});
    phase.shared = {"basis"};
    return phase;
  }
  void start(ServerState& state, const PopulationInfo&) const override {
    state.slots["basis"] = Tensor::zeros({4});
  }
  std::map<std::string, double> advance(ServerState& state, const WindowSums& window) const override {
    apply_mean_delta(state, SliceSet::exchanged(state.model.layout()), window.phase("train").slot("delta"),
                     1.0);
    state.scalars["feature"] = window.phase("extract").slot("feature").mean(0);
    return {{"votes", window.phase("extract").scalars.at("votes")}};
  }
};

TEST(Coordinator, AWindowMayHaveSeveralPhases) {
  const TwoPhases strategy;
  FederationSetup setup;
  setup.clients = 20;
  setup.config.windows = 2;
  Federation federation(strategy, setup);
  federation.coordinator->begin(0);
  for (std::uint64_t window = 1; window <= 2; ++window) {
    const auto cohort = federation.open_clients();
    ASSERT_EQ(cohort.size(), 3U);
    for (const ClientId client : cohort) federation.finish(1, client, 1.0F);
    ASSERT_EQ(federation.coordinator->open_window(), window);
    ASSERT_EQ(federation.open_clients().size(), 6U);
    for (std::size_t i = 0; i < 3; ++i) {
      const Task& task = federation.port.started[federation.port.started.size() - 3 + i];
      EXPECT_EQ(task.id.client, cohort[i]);
      EXPECT_EQ(task.kind, "extract");
      EXPECT_EQ(task.shared, (std::vector<std::string>{"model", "basis"}));
      EXPECT_EQ(task.kept_version, task.id.number - 1);  // the state of its train task counts already
    }
    float feature = 0.0F;
    for (const ClientId client : cohort) {
      Update update = make_update(federation.task_of(client), 10, {{"feature", {feature += 1.0F}}});
      update.scalars["votes"] = 2.0;
      federation.report(2, update);
    }
  }
  EXPECT_TRUE(federation.coordinator->ended());
  EXPECT_NEAR(federation.parameter(), 2.0, 1e-6);
  EXPECT_EQ(federation.coordinator->state().server.scalars.at("feature"), 2.0);  // uniform mean of 1, 2, 3
  EXPECT_EQ(federation.port.all<WindowClosed>()[0].metrics.at("votes"), 6.0);
  EXPECT_EQ(federation.coordinator->state().totals.tasks, 12U);
}

TEST(Coordinator, APhaseIsJudgedByItsOwnSlots) {
  const TwoPhases strategy;
  FederationSetup setup;
  setup.clients = 3;
  Federation federation(strategy, setup);
  federation.coordinator->begin(0);
  for (ClientId client = 0; client < 3; ++client) federation.finish(1, client, 1.0F);
  federation.finish(2, 0, 1.0F);  // a delta again, when a feature was asked for
  EXPECT_EQ(verdicts(federation.port).back(), (Ending{Verdict::rejected, Reason::layout}));
  federation.report(2, make_update(federation.task_of(1), 10, {{"feature", {8.5F}}}));
  EXPECT_EQ(verdicts(federation.port).back(), (Ending{Verdict::rejected, Reason::range}));
}

TEST(Coordinator, NamesTheKeptStatesThatAreSuperseded) {
  const Algorithm scaffold = make_algorithm_of("scaffold");
  FederationSetup setup;
  setup.clients = 2;
  setup.pacer = "clients_per_round: 2";
  setup.config.windows = 3;
  Federation federation(*scaffold.strategy, setup);
  federation.coordinator->begin(0);
  const auto finish = [&](ClientId client, float value) {
    federation.report(1, make_update(federation.task_of(client), 10,
                                     {{"delta", {value, value}}, {"control_delta", {value, value}}}));
  };
  finish(0, 1.0F);
  finish(1, std::nanf(""));  // its proposal never counts
  finish(0, 1.0F);
  finish(1, 1.0F);
  finish(0, 1.0F);
  EXPECT_EQ(federation.port.started.back().kept_version, 2U);
  finish(1, 1.0F);
  ASSERT_EQ(federation.port.superseded.size(), 3U);
  EXPECT_TRUE(federation.port.superseded[0].empty());
  EXPECT_EQ(federation.port.superseded[1], (std::vector<TaskId>{{0, 1}}));
  EXPECT_EQ(federation.port.superseded[2], (std::vector<TaskId>{{0, 2}, {1, 2}}));
  EXPECT_EQ(federation.coordinator->state().records.at(0).kept_version, 3U);
  EXPECT_EQ(federation.coordinator->state().records.at(1).kept_version, 3U);
}

TEST(Coordinator, StrategiesWithoutAModelExchangeNone) {
  const Algorithm local = make_algorithm_of("local_only");
  FederationSetup setup;
  setup.clients = 3;
  setup.config.windows = 2;
  Federation federation(*local.strategy, setup);
  federation.coordinator->begin(0);
  EXPECT_TRUE(federation.port.started[0].shared.empty());
  for (int round = 0; round < 2; ++round)
    for (ClientId client = 0; client < 3; ++client)
      federation.report(1, make_update(federation.task_of(client), 10, {}));
  EXPECT_TRUE(federation.coordinator->ended());
  EXPECT_EQ(federation.port.all<TaskStarted>()[0].bytes_down, deployed_size(federation.port.started[0]));
  // Its quality is that of the clients' own models, by the state each of them keeps.
  EXPECT_EQ(federation.port.client_evaluations.back().second, (std::vector<TaskId>{{0, 2}, {1, 2}, {2, 2}}));
  // Clients 0, 1, 2 have 0, 1, 2 of 10 right in the script.
  EXPECT_NEAR(federation.coordinator->state().totals.last_accuracy, 0.1, 1e-12);
}

}  // namespace
}  // namespace fedloom::testing
