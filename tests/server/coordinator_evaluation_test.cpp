// When the coordinator evaluates, on whom, what that costs, and what ends the run.
#include <gtest/gtest.h>

#include "server/coordinator.hpp"
#include "tests/server/scripted_port.hpp"
#include "transport/codec.hpp"

namespace fedloom::testing {
namespace {

const Strategy& fedavg() {
  static const Algorithm algorithm = make_algorithm_of("fedavg");
  return *algorithm.strategy;
}

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

TEST(CoordinatorEvaluation, EvaluatesEveryKRoundsAndAtTheEnd) {
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

TEST(CoordinatorEvaluation, StopsAtTheTarget) {
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

TEST(CoordinatorEvaluation, GoesOnAfterTheTargetWhenToldTo) {
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

TEST(CoordinatorEvaluation, EvaluatesTheSameClientsEveryTime) {
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

TEST(CoordinatorEvaluation, AStopRequestEndsAfterTheOpenWindow) {
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

TEST(CoordinatorEvaluation, CountsWhatEvaluationOnDeployedClientsWouldMove) {
  FederationSetup setup;
  setup.clients = 3;
  setup.pacer = "clients_per_round: 3";
  setup.config.windows = 1;
  setup.config.evaluate_clients = 2;
  Federation federation(fedavg(), setup);
  federation.coordinator->begin(0);
  const std::uint64_t model = deployed_shared_size("model", 2);
  // Before the first round both get the model; their tasks start from it and need it no more.
  std::vector<ClientsEvaluated> events = federation.port.all<ClientsEvaluated>();
  EXPECT_EQ(events.at(0).bytes_up, 2 * deployed_evaluation_answer_size());
  EXPECT_EQ(events.at(0).bytes_down, 2 * (deployed_evaluation_request_size() + model));
  std::uint64_t beyond_tasks = 0;
  for (const TaskStarted& started : federation.port.all<TaskStarted>()) beyond_tasks += started.bytes_down;
  for (const Task& task : federation.port.started) beyond_tasks -= deployed_size(task);
  EXPECT_EQ(beyond_tasks, model);
  for (ClientId client = 0; client < 3; ++client) federation.finish(1, client, 1.0F);
  events = federation.port.all<ClientsEvaluated>();
  EXPECT_EQ(events.at(1).bytes_down, events.at(0).bytes_down);
  const WindowClosed closed = federation.port.all<WindowClosed>().at(0);
  const FederationTotals& totals = federation.coordinator->state().totals;
  EXPECT_EQ(totals.bytes_up, closed.bytes_up + 4 * deployed_evaluation_answer_size());
  EXPECT_EQ(totals.bytes_down, closed.bytes_down + 2 * events.at(0).bytes_down);
}

}  // namespace
}  // namespace fedloom::testing
