// The coordinator between and within windows: evaluation, the end of a run, windows of several phases and the
// state that clients keep.
#include <cmath>

#include <gtest/gtest.h>

#include "tests/server/scripted_port.hpp"
#include "transport/codec.hpp"

namespace fedloom::testing {
namespace {

using Ending = std::pair<Verdict, Reason>;

// ---- evaluation ----

FederationSetup with_quality() {
  FederationSetup setup;
  setup.clients = 1;
  setup.pacer = "clients_per_round: 1";
  return setup;
}

// The accuracy of the tests is the first parameter.
std::optional<EvaluationResult> first_parameter(std::span<const float> model, const std::string&) {
  return EvaluationResult{1.0 - static_cast<double>(model[0]), static_cast<double>(model[0]), 100};
}

std::vector<WindowId> evaluated(const ScriptedPort& port) {
  std::vector<WindowId> windows;
  for (const Evaluated& event : port.all<Evaluated>()) windows.push_back(event.window);
  return windows;
}

void run_to_end(Federation& federation, float delta) {
  federation.coordinator->begin(0);
  for (Tick now = 1; !federation.coordinator->ended(); ++now) federation.finish(now, 0, delta);
}

TEST(Coordinator, EvaluatesEveryKRoundsAndAtTheEnd) {
  for (const auto& [every, expected] : std::vector<std::pair<std::uint64_t, std::vector<WindowId>>>{
           {1, {0, 1, 2, 3, 4, 5}}, {2, {0, 2, 4, 5}}, {0, {5}}}) {
    FederationSetup setup = with_quality();
    setup.config.windows = 5;
    setup.config.evaluate_every = every;
    setup.config.evaluate_on = "validation";
    Federation federation(fedavg(), setup);
    federation.port.quality = first_parameter;
    run_to_end(federation, 0.1F);
    EXPECT_EQ(evaluated(federation.port), expected);
    EXPECT_EQ(federation.port.all<Evaluated>().back().split, "validation");
  }
}

TEST(Coordinator, StopsAtTheTarget) {
  FederationSetup setup = with_quality();
  setup.config.windows = 100;
  setup.config.target_accuracy = 0.35;
  Federation federation(fedavg(), setup);
  federation.port.quality = first_parameter;
  run_to_end(federation, 0.1F);
  EXPECT_EQ(federation.coordinator->state().windows, 4U);
  EXPECT_EQ(federation.coordinator->state().totals.windows_to_target, 4);
  EXPECT_EQ(federation.port.all<RunEnded>()[0].reason, "target");
}

TEST(Coordinator, GoesOnAfterTheTargetWhenToldTo) {
  FederationSetup setup = with_quality();
  setup.config.windows = 6;
  setup.config.target_accuracy = 0.35;
  setup.config.stop_at_target = false;
  Federation federation(fedavg(), setup);
  federation.port.quality = first_parameter;
  run_to_end(federation, 0.1F);
  EXPECT_EQ(federation.coordinator->state().windows, 6U);
  EXPECT_EQ(federation.coordinator->state().totals.windows_to_target, 4);
  EXPECT_EQ(federation.port.all<RunEnded>()[0].reason, "rounds");
  EXPECT_NEAR(federation.coordinator->state().totals.best_accuracy, 0.6, 1e-6);
}

TEST(Coordinator, EvaluatesTheSameClientsEveryTime) {
  FederationSetup setup = with_quality();
  setup.clients = 100;
  setup.config.windows = 3;
  setup.config.evaluate_clients = 7;
  Federation federation(fedavg(), setup);
  federation.coordinator->begin(0);
  while (!federation.coordinator->ended()) federation.finish(1, federation.open_clients()[0], 0.1F);
  const auto& asked = federation.port.client_evaluations;
  ASSERT_EQ(asked.size(), 4U);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    EXPECT_EQ(asked[i].first, i);
    EXPECT_EQ(asked[i].second.size(), 7U);
    EXPECT_EQ(asked[i].second, asked[0].second);
  }
  const auto events = federation.port.all<ClientsEvaluated>();
  ASSERT_EQ(events.size(), 4U);
  for (std::size_t i = 0; i < 7; ++i)
    EXPECT_DOUBLE_EQ(events[0].accuracies[i], static_cast<double>(events[0].clients[i] % 11) / 10);
}

TEST(Coordinator, AStopRequestEndsAfterTheOpenWindow) {
  FederationSetup setup = with_quality();
  setup.config.windows = 10;
  Federation federation(fedavg(), setup);
  federation.coordinator->begin(0);
  federation.finish(1, 0, 0.1F);
  federation.coordinator->stop_after_window();
  EXPECT_FALSE(federation.coordinator->ended());
  federation.finish(2, 0, 0.1F);
  EXPECT_TRUE(federation.coordinator->ended());
  EXPECT_EQ(federation.port.boundaries.size(), 2U);
  EXPECT_FALSE(federation.port.boundaries.back().ended);  // so that it may be resumed
  EXPECT_TRUE(federation.port.all<RunEnded>().empty());
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
