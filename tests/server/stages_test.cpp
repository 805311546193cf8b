// A sequence of stages in the coordinator: which window is of which, who takes part, what is evaluated, and
// what forgetting comes to. Accuracies are scripted, so every figure can be worked out.
#include <cmath>

#include <gtest/gtest.h>

#include "server/checkpoint.hpp"
#include "tests/server/scripted_port.hpp"

namespace fedloom::testing {
namespace {

/// Works on a new model at a stage's end, as methods that look at the data once more do.
class ClosingStrategy : public Strategy {
 public:
  Traits traits() const override { return {.several_phases = true}; }
  std::optional<Phase> next_phase(const ServerState& state, const WindowSums& window,
                                  const Recipe& base) const override {
    moments.push_back(window.stage);
    if (window.phases.empty()) return train_phase(base, state.model.layout().size());
    if (!window.stage.last_window || window.has("close")) return std::nullopt;
    Phase phase = train_phase(base, state.model.layout().size());
    phase.kind = "close";
    phase.cohort = Phase::Cohort::same;
    phase.on_new_model = true;
    return phase;
  }
  std::map<std::string, double> advance(ServerState& state, const WindowSums& window) const override {
    advanced.push_back(window.phases.front().first);
    if (window.has("train"))
      apply_mean_delta(state, SliceSet::exchanged(state.model.layout()), window.phase("train").slot("delta"),
                       1.0);
    return {{advanced.back(), 1.0}};
  }
  mutable std::vector<StageMoment> moments;
  mutable std::vector<std::string> advanced;
};

/// Clients 0 to 3; client 3 has nothing of stage 2.
class StagedFederation : public ScriptedPort {
 public:
  StagedFederation(const Strategy& strategy, CoordinatorConfig config,
                   std::optional<FederationState> from = {},
                   const std::string& pacer = "clients_per_round: 4")
      : ScriptedPort(strategy), pacer_(make_pacer(pacer)) {
    sampler_ = SamplerRegistry::instance().find("uniform", "sampler").make(ConfigNode());
    population_.clients = 4;
    population_.examples = [](ClientId) { return std::uint64_t{20}; };
    population_.stage_examples = [](ClientId client, std::uint64_t stage) {
      return std::uint64_t{client == 3 && stage == 2 ? 0U : 10U};
    };
    if (!from) {
      Layout::Builder builder;
      builder.add("w", {2});
      from.emplace();
      from->server.model = ParameterVector(builder.build());
    }
    coordinator = std::make_unique<Coordinator>(config, strategy, *pacer_, *sampler_, population_, *this,
                                                std::move(*from));
  }

  std::optional<EvaluationResult> evaluate(std::span<const float>, const std::string&,
                                           std::uint64_t stage) override {
    asked.push_back(stage);
    if (untested.contains(stage)) return {};
    return EvaluationResult{1.0, accuracy(all<WindowClosed>().size(), stage), 100};
  }

  /// Every task that is open ends with this delta, until the run ends or `windows` are closed.
  void play(std::uint64_t windows) {
    Tick now = coordinator->state().now;
    while (!coordinator->ended() && all<WindowClosed>().size() < windows) {
      ASSERT_FALSE(coordinator->state().live.empty());
      const TaskId id = coordinator->state().live.begin()->first;
      const Update update = make_update(id, 10, {{"delta", FloatBuffer(2, 1.0F)}});
      updates.emplace(id, update);
      coordinator->on_finished(++now, update);
    }
  }

  std::function<double(std::size_t closed, std::uint64_t stage)> accuracy = [](std::size_t, std::uint64_t) {
    return 0.5;
  };
  std::vector<std::uint64_t> asked;
  std::set<std::uint64_t> untested;  // stages without examples to be judged on
  std::unique_ptr<Coordinator> coordinator;

 private:
  std::unique_ptr<Pacer> pacer_;
  std::unique_ptr<Sampler> sampler_;
  Population population_;
};

CoordinatorConfig config_of(std::vector<std::uint64_t> windows) {
  CoordinatorConfig config;
  config.stages = windows.size();
  config.windows = 0;
  for (const std::uint64_t count : windows) config.windows += count;
  config.stage_windows = std::move(windows);
  config.evaluate_every = 0;
  return config;
}

TEST(Stages, WindowsBelongToThemInOrder) {
  const ClosingStrategy strategy;
  StagedFederation federation(strategy, config_of({2, 1, 2}));
  federation.coordinator->begin(0);
  federation.play(5);
  EXPECT_TRUE(federation.coordinator->ended());
  std::map<WindowId, std::set<std::uint64_t>> stages;
  std::map<WindowId, std::set<ClientId>> clients;
  for (const Task& task : federation.started) {
    stages[task.window].insert(task.recipe.stage);
    clients[task.window].insert(task.id.client);
  }
  using Numbers = std::set<std::uint64_t>;
  EXPECT_EQ(stages, (std::map<WindowId, Numbers>{{1, {1}}, {2, {1}}, {3, {2}}, {4, {3}}, {5, {3}}}));
  EXPECT_EQ(clients[2], (std::set<ClientId>{0, 1, 2, 3}));
  EXPECT_EQ(clients[3], (std::set<ClientId>{0, 1, 2}));  // client 3 has nothing of stage 2
  for (const LiveTask& live : federation.given) EXPECT_EQ(live.examples, 10U);
}

TEST(Stages, StrategiesSeeTheirBoundaries) {
  const ClosingStrategy strategy;
  StagedFederation federation(strategy, config_of({2, 1}));
  federation.coordinator->begin(0);
  federation.play(3);
  const StageMoment& first = strategy.moments.front();
  EXPECT_EQ(first.number, 1U);
  EXPECT_EQ(first.count, 2U);
  EXPECT_TRUE(first.first_window);
  EXPECT_FALSE(first.last_window);
  const StageMoment& last = strategy.moments.back();
  EXPECT_EQ(last.number, 2U);
  EXPECT_TRUE(last.first_window);  // a stage of one window
  EXPECT_TRUE(last.last_window);
}

// Window 2 ends a stage: trained, advanced, closed on the new model with the same cohort, and advanced again.
TEST(Stages, AreClosedOnTheModelOfTheirLastWindow) {
  const ClosingStrategy strategy;
  StagedFederation federation(strategy, config_of({2, 1}));
  federation.coordinator->begin(0);
  federation.play(3);
  EXPECT_EQ(strategy.advanced, (std::vector<std::string>{"train", "train", "close", "train", "close"}));
  std::map<std::string, std::set<Version>> versions;
  for (const Task& task : federation.started)
    if (task.window == 2) versions[task.kind].insert(task.version);
  EXPECT_EQ(versions, (std::map<std::string, std::set<Version>>{{"train", {1}}, {"close", {2}}}));
  const std::vector<WindowClosed> closed = federation.all<WindowClosed>();
  EXPECT_EQ(closed[1].accepted, 8U);  // four clients, twice
  EXPECT_EQ(closed[1].version, 3U);
  EXPECT_EQ(closed[1].metrics, (std::map<std::string, double>{{"close", 1.0}, {"train", 1.0}}));
  EXPECT_EQ(closed[0].metrics, (std::map<std::string, double>{{"train", 1.0}}));
  // Only trainings move the model: 1 in each window, and it is what those who close have started from.
  EXPECT_FLOAT_EQ(federation.coordinator->state().server.model.values()[0], 3.0F);
  for (const auto& [version, live] : federation.coordinator->state().versions)
    EXPECT_EQ(live.uses, 0U) << version;
}

// The phase that closes the stage has the deadline anew: the whole cohort, the one that was late with it, has
// until 10 + 10 for it.
TEST(Stages, ADeadlineIsOfEachPhase) {
  const ClosingStrategy strategy;
  StagedFederation federation(strategy, config_of({1}), {}, "{clients_per_round: 4, deadline: 10s}");
  federation.coordinator->begin(0);
  ASSERT_EQ(federation.looks.back(), (std::pair<WindowId, Tick>{1, 10}));
  const auto finish = [&](Tick now, ClientId client) {
    const TaskId id = federation.coordinator->state().live.lower_bound({client, 0})->first;
    const Update update = make_update(id, 10, {{"delta", FloatBuffer(2, 1.0F)}});
    federation.updates.emplace(id, update);
    federation.coordinator->on_finished(now, update);
  };
  for (const ClientId client : {0U, 1U, 2U}) finish(3, client);
  federation.coordinator->on_moment(10, Moment::look, 1);
  EXPECT_EQ(federation.started.back().kind, "close");
  EXPECT_EQ(federation.looks.back(), (std::pair<WindowId, Tick>{1, 20}));
  finish(11, 0);
  EXPECT_FALSE(federation.coordinator->ended()) << "one is in, and the others have time";
  finish(19, 1);
  finish(20, 2);
  federation.coordinator->on_moment(20, Moment::look, 1);
  EXPECT_TRUE(federation.coordinator->ended());
  EXPECT_EQ(federation.all<WindowClosed>()[0].accepted, 6U);
}

// A stage that cannot be judged counts for nothing, and not as a failure.
TEST(Stages, TheirMeanIsOverThoseThatAreJudged) {
  const ClosingStrategy strategy;
  StagedFederation federation(strategy, config_of({1, 1}));
  federation.untested = {1};
  federation.accuracy = [](std::size_t, std::uint64_t) { return 0.8; };
  federation.coordinator->begin(0);
  federation.play(2);
  const auto events = federation.all<StagesEvaluated>();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_NEAR(events[0].mean_accuracy, 0.8, 1e-12);
  EXPECT_TRUE(std::isnan(events[0].accuracies[0]));
}

// R = [0.9; 0.8 0.7; 0.5 0.6 0.9]: ACC = 2/3, FGT = ((0.9 - 0.5) + (0.7 - 0.6)) / 2 = 0.25 = -BWT.
TEST(Stages, MeasureWhatIsForgotten) {
  const ClosingStrategy strategy;
  StagedFederation federation(strategy, config_of({1, 1, 1}));
  const double r[3][3] = {{0.9, 0, 0}, {0.8, 0.7, 0}, {0.5, 0.6, 0.9}};
  federation.accuracy = [&](std::size_t closed, std::uint64_t stage) { return r[closed - 1][stage - 1]; };
  federation.coordinator->begin(0);
  federation.play(3);
  EXPECT_EQ(federation.asked, (std::vector<std::uint64_t>{1, 1, 2, 1, 2, 3}));
  const auto events = federation.all<StagesEvaluated>();
  ASSERT_EQ(events.size(), 3U);
  EXPECT_TRUE(std::isnan(events[0].forgetting));
  EXPECT_NEAR(events[1].mean_accuracy, 0.75, 1e-12);
  EXPECT_NEAR(events[1].forgetting, 0.1, 1e-12);
  EXPECT_EQ(events[2].stage, 3U);
  EXPECT_TRUE(events[2].ended);
  EXPECT_EQ(events[2].accuracies, (std::vector<double>{0.5, 0.6, 0.9}));
  EXPECT_NEAR(events[2].mean_accuracy, 2.0 / 3.0, 1e-12);
  EXPECT_NEAR(events[2].forgetting, 0.25, 1e-12);
  EXPECT_NEAR(events[2].backward_transfer, -0.25, 1e-12);
  EXPECT_NEAR(federation.all<Evaluated>().back().accuracy, 2.0 / 3.0, 1e-12);
}

// A stage may get better after its end: R[2][1] = 0.9 is the best there was, so 0.9 - 0.5 and not 0.6 - 0.5.
TEST(Stages, MeasureForgettingFromTheBestAsWell) {
  const ClosingStrategy strategy;
  StagedFederation federation(strategy, config_of({1, 1, 1}));
  const double r[3][3] = {{0.6, 0, 0}, {0.9, 0.7, 0}, {0.5, 0.7, 0.8}};
  federation.accuracy = [&](std::size_t closed, std::uint64_t stage) { return r[closed - 1][stage - 1]; };
  federation.coordinator->begin(0);
  federation.play(3);
  const StagesEvaluated last = federation.all<StagesEvaluated>().back();
  EXPECT_NEAR(last.forgetting, (0.1 + 0.0) / 2.0, 1e-12);
  EXPECT_NEAR(last.forgetting_from_best, (0.4 + 0.0) / 2.0, 1e-12);
}

TEST(Stages, AreEvaluatedBetweenTheirEndsToo) {
  const ClosingStrategy strategy;
  CoordinatorConfig config = config_of({3, 2});
  config.evaluate_every = 2;
  StagedFederation federation(strategy, config);
  federation.coordinator->begin(0);
  federation.play(5);
  std::vector<std::tuple<WindowId, std::uint64_t, bool>> found;
  for (const auto& e : federation.all<StagesEvaluated>()) found.emplace_back(e.window, e.stage, e.ended);
  EXPECT_EQ(found, (std::vector<std::tuple<WindowId, std::uint64_t, bool>>{
                       {0, 1, false}, {2, 1, false}, {3, 1, true}, {4, 2, false}, {5, 2, true}}));
}

// All at once: tasks are of no stage, and all stages are evaluated from the first.
TEST(Stages, OfJointTrainingAreNoneUntilTheyAreEvaluated) {
  const ClosingStrategy strategy;
  CoordinatorConfig config = config_of({1, 1});
  config.stage_windows.clear();
  config.evaluate_every = 1;
  StagedFederation federation(strategy, config);
  federation.coordinator->begin(0);
  federation.play(2);
  for (const Task& task : federation.started) EXPECT_EQ(task.recipe.stage, 0U);
  for (const auto& e : federation.all<StagesEvaluated>()) {
    EXPECT_EQ(e.accuracies.size(), 2U);
    EXPECT_EQ(e.ended, e.window == 2);
    EXPECT_TRUE(std::isnan(e.forgetting));
  }
}

// What forgetting is measured against survives in the checkpoint.
TEST(Stages, AreRememberedByCheckpoints) {
  const ClosingStrategy strategy;
  const auto accuracy = [](std::size_t closed, std::uint64_t stage) {
    return 1.0 / static_cast<double>(closed + stage);
  };
  StagedFederation whole(strategy, config_of({1, 1, 1}));
  whole.accuracy = accuracy;
  whole.coordinator->begin(0);
  whole.play(3);
  Checkpoint checkpoint;
  checkpoint.state = whole.boundaries[1];
  const auto layout = checkpoint.state.server.model.layout_ptr();
  const Checkpoint read = checkpoint_from_bytes(checkpoint_to_bytes(checkpoint), layout, "test");
  EXPECT_EQ(read.state.stage_accuracies, whole.boundaries[1].stage_accuracies);
  StagedFederation resumed(strategy, config_of({1, 1, 1}), read.state);
  resumed.accuracy = [&](std::size_t closed, std::uint64_t stage) { return accuracy(closed + 2, stage); };
  resumed.coordinator->begin(read.state.now);
  resumed.play(1);
  EXPECT_EQ(to_json(FederationEvent(resumed.all<StagesEvaluated>().back())),
            to_json(FederationEvent(whole.all<StagesEvaluated>().back())));
}

}  // namespace
}  // namespace fedloom::testing
