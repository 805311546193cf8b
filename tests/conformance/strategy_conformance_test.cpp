// What every registered algorithm must do, whatever it is. Its two halves are made apart, each from the
// experiment's text, and meet only through encoded messages; the coordinator and the trainer are the real
// ones. Whoever registers an algorithm is tested here without another line.
#include <algorithm>
#include <memory>

#include <gtest/gtest.h>

#include "experiments/experiment_file.hpp"
#include "experiments/rehearsal.hpp"
#include "server/checkpoint.hpp"
#include "tests/conformance/direct_federation.hpp"
#include "tests/support/algorithms.hpp"

namespace fedloom::testing {
namespace {

std::string experiment_text(const std::string& strategy) {
  const bool lora = needs_lora(strategy);
  const std::string model = lora
                                ? "{name: mlp, hidden: [16]}\nadapter: {name: lora, targets: [fc1], rank: 3, "
                                  "train: [fc2]}"
                                : "softmax";
  return "seed: 3\nrounds: 6\ndata: {source: {name: synthetic, alpha: 0.5, beta: 0.5}, clients: 8}\nmodel: " +
         model + "\nstrategy: " + strategy +
         "\ntrain: {epochs: 2, batch_size: 10, lr: 0.02}\npacer: {name: sync, clients_per_round: 4}\n";
}

class StrategyConformance : public ::testing::TestWithParam<std::string> {
 protected:
  std::string text() const { return experiment_text(GetParam()); }
  static std::shared_ptr<ClientStore> store() { return std::make_shared<MemoryClientStore>(); }
};

TEST_P(StrategyConformance, LearnsAndEveryTaskIsAccepted) {
  DirectFederation federation(text(), store());
  federation.run();
  ASSERT_GE(federation.evaluations.size(), 2U);
  EXPECT_LT(federation.evaluations.back().loss, 0.9 * federation.evaluations.front().loss);
  EXPECT_GT(federation.evaluations.back().accuracy, federation.evaluations.front().accuracy);
  EXPECT_FALSE(federation.ended.empty());
  for (const TaskEnded& task : federation.ended) {
    EXPECT_EQ(task.verdict, Verdict::accepted) << to_string(task.reason);
    EXPECT_GT(task.steps, 0U);
    EXPECT_GT(task.bytes_up, 0U);
  }
}

TEST_P(StrategyConformance, OrderOfAnswersChangesNothing) {
  DirectFederation one(text(), store());
  one.run();
  DirectFederation other(text(), store(), Order::backwards);
  other.run();
  EXPECT_EQ(one.hash(), other.hash());
  const FederationState& a = one.boundaries.back();
  const FederationState& b = other.boundaries.back();
  EXPECT_EQ(a.server.slots, b.server.slots);
  EXPECT_EQ(a.server.scalars, b.server.scalars);
  EXPECT_EQ(a.server.version, b.server.version);
}

// What `fedloom check` says of bytes beforehand is what the run is charged, round by round. Evaluations,
// which bring models to clients as well, are not in it, nor a few numbers that an update may bring beside its
// vectors.
TEST_P(StrategyConformance, ARehearsalKnowsTheBytes) {
  const std::string experiment = text() + "evaluate: {every: 0}\n";
  DirectFederation federation(experiment, store());
  federation.run();
  const ExperimentConfig config = parse_experiment(experiment, "rehearsal.yaml").config;
  const Components parts = build_components(config, "", 1.0);
  const InitialModel initial = initial_model(config, parts.data->spec(), *parts.model);
  const std::vector<RehearsedRound> rounds = rehearse(config, parts, initial.values, 4);
  ASSERT_EQ(rounds.size(), 4U);
  constexpr std::uint64_t kNumbers = 64;
  for (std::size_t i = 0; i < rounds.size(); ++i) {
    SCOPED_TRACE(i);
    const WindowClosed& closed = federation.closed.at(i);
    EXPECT_EQ(rounds[i].bytes_down, closed.bytes_down);
    EXPECT_GE(closed.bytes_up, rounds[i].bytes_up);
    EXPECT_LE(closed.bytes_up, rounds[i].bytes_up + kNumbers * closed.accepted);
    EXPECT_EQ(rounds[i].tasks, closed.accepted);
  }
}

// Nothing hides outside of the state: at every boundary it goes through bytes unchanged, and the run that
// begins with those bytes ends as the whole one did.
TEST_P(StrategyConformance, StateSurvivesACheckpointToTheBit) {
  const auto kept = store();
  DirectFederation whole(text(), kept);
  whole.run();
  const std::string expected = checkpoint_to_bytes({whole.state()});
  for (const FederationState& boundary : whole.boundaries) {
    Checkpoint checkpoint;
    checkpoint.state = boundary;
    const std::string bytes = checkpoint_to_bytes(checkpoint);
    Checkpoint read = checkpoint_from_bytes(bytes, whole.layout(), "memory");
    EXPECT_EQ(checkpoint_to_bytes(read), bytes);
    DirectFederation rest(text(), kept, Order::as_they_come, std::move(read.state));
    rest.run();
    EXPECT_EQ(checkpoint_to_bytes({rest.state()}), expected) << "from window " << boundary.windows;
  }
}

// States that the coordinator calls superseded are needed by no later window.
TEST_P(StrategyConformance, SupersededClientStateIsNotNeededAgain) {
  const auto kept = store();
  DirectFederation whole(text(), kept);
  whole.run();
  const std::size_t half = whole.boundaries.size() / 2;
  for (std::size_t i = 0; i <= half; ++i)
    for (const TaskId& state : whole.superseded[i]) kept->drop(state.client, state.number);
  DirectFederation rest(text(), kept, Order::as_they_come, whole.boundaries[half]);
  rest.run();
  EXPECT_EQ(rest.hash(), whole.hash());
}

// The resolved file that a run folder holds, and that workers get, is the same experiment.
TEST_P(StrategyConformance, ResolvedSettingsAreTheSameAlgorithm) {
  const std::string resolved = resolved_yaml(parse_experiment(text(), "test.yaml").config);
  DirectFederation written(text(), store());
  DirectFederation read(resolved, store());
  written.run();
  read.run();
  EXPECT_EQ(written.hash(), read.hash());
  EXPECT_EQ(resolved, resolved_yaml(parse_experiment(resolved, "resolved.yaml").config));
}

TEST_P(StrategyConformance, IsDescribed) {
  const auto& entry = AlgorithmRegistry::instance().find(GetParam(), "strategy");
  EXPECT_FALSE(entry.about.summary.empty());
  for (const FieldDoc& field : entry.fields) EXPECT_FALSE(field.doc.empty()) << field.name;
}

INSTANTIATE_TEST_SUITE_P(Registry, StrategyConformance,
                         ::testing::ValuesIn(AlgorithmRegistry::instance().names()),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace fedloom::testing
