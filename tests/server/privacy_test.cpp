// A run's privacy by hand: what tasks carry, what is spent when, where it ends, and what the server adds.
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/checkpoint.hpp"
#include "tests/server/scripted_port.hpp"

namespace fedloom::testing {
namespace {

const Strategy& fedavg() {
  static const Algorithm algorithm = make_algorithm_of("fedavg");
  return *algorithm.strategy;
}

constexpr double kDelta = 1e-5;

double epsilon(double noise, double rate, std::int64_t runs) {
  return privacy::epsilon_of(privacy::Accounting::rdp, noise, rate, runs, kDelta);
}

// ---- the budget ----

TEST(PrivacyBudget, OfExamplesGoesByTheStepsAndTheRateOfEachClient) {
  PrivacySettings settings{.delta = kDelta, .noise_multiplier = 1.1};
  PrivacyBudget budget(settings, {.epochs = 2, .batch_size = 10}, 1, 1);
  EXPECT_EQ(budget.runs_of({.epochs = 2, .batch_size = 10}, 95), 20);  // ten batches an epoch
  EXPECT_EQ(budget.runs_of({.steps = 7, .batch_size = 10}, 95), 7);
  EXPECT_EQ(budget.runs_of({.steps = 7, .batch_size = 10}, 0), 0);
  EXPECT_DOUBLE_EQ(budget.spent(95, 20), epsilon(1.1, 10.0 / 95.0, 20));
  EXPECT_DOUBLE_EQ(budget.spent(95, 0), 0.0);
  EXPECT_GT(budget.spent(20, 20), budget.spent(95, 20)) << "a small client's examples come more often";
  EXPECT_TRUE(budget.allows(95, 1'000'000)) << "there is no limit";
}

TEST(PrivacyBudget, CalibratesEveryClientToTheSameEpsilon) {
  PrivacySettings settings{.epsilon = 3.0, .delta = kDelta, .participations = 30};
  const Recipe recipe{.epochs = 1, .batch_size = 20};
  PrivacyBudget budget(settings, recipe, 1, 1);
  for (const std::uint64_t examples : {60U, 200U, 1000U}) {
    const std::int64_t runs = 30 * recipe.steps_for(examples);
    EXPECT_LE(budget.spent(examples, runs), 3.0 * (1 + 1e-9)) << examples;
    EXPECT_GT(budget.spent(examples, runs), 2.99) << examples;
    EXPECT_TRUE(budget.allows(examples, runs));
    EXPECT_FALSE(budget.allows(examples, runs + recipe.steps_for(examples)));
  }
  EXPECT_GT(budget.noise(60), budget.noise(1000));
}

TEST(PrivacyBudget, OfClientsGoesByRoundsOrByTasks) {
  PrivacySettings settings{.unit = PrivacyUnit::client, .delta = kDelta, .noise_multiplier = 2.0};
  PrivacyBudget central(settings, {}, 10, 200);
  EXPECT_EQ(central.runs_of({.steps = 9}, 50), 0) << "the server's, not a client's";
  EXPECT_DOUBLE_EQ(central.spent(50, 12), epsilon(2.0, 0.05, 12));
  settings.local_noise = true;
  PrivacyBudget local(settings, {}, 10, 200);
  EXPECT_EQ(local.runs_of({.steps = 9}, 50), 1);
  EXPECT_DOUBLE_EQ(local.spent(50, 12), epsilon(2.0, 1.0, 12)) << "whoever sees an update knows whose it is";
}

// ---- examples ----

FederationSetup of_examples(double limit, std::int64_t windows) {
  FederationSetup setup;
  setup.clients = 3;
  setup.config.windows = static_cast<std::uint64_t>(windows);
  setup.config.recipe = {.steps = 4, .batch_size = 5};
  setup.config.privacy =
      PrivacySettings{.epsilon = limit, .delta = kDelta, .noise_multiplier = 1.5, .clip_norm = 0.7};
  return setup;
}

TEST(PrivateExamples, TasksCarryNormAndNoiseAndTheRunSaysWhatIsSpent) {
  Federation federation(fedavg(), of_examples(0.0, 2));
  federation.coordinator->begin(0);
  for (const Task& task : federation.port.started) {
    EXPECT_EQ(task.recipe.privacy.example_clip, 0.7);
    EXPECT_EQ(task.recipe.privacy.example_noise, 1.5);
    EXPECT_EQ(task.recipe.privacy.update_clip, 0.0);
  }
  for (Tick tick = 1; tick <= 2; ++tick)
    for (ClientId client = 0; client < 3; ++client) federation.finish(tick, client, 1.0F);
  const auto closed = federation.port.all<WindowClosed>();
  ASSERT_EQ(closed.size(), 2U);
  // Client 0 has the fewest examples (10), so the largest rate: 5 / 10, four steps a round. When round 1
  // closes nobody has been asked a second time.
  EXPECT_DOUBLE_EQ(closed[0].metrics.at("epsilon"), epsilon(1.5, 0.5, 4));
  EXPECT_DOUBLE_EQ(closed[1].metrics.at("epsilon"), epsilon(1.5, 0.5, 8));
  EXPECT_EQ(federation.coordinator->state().records.at(1).private_runs, 8);
}

// A limit between what two and three rounds cost client 0: it is left out of the third, and when nobody can
// be asked the run ends in good order, before its rounds are over.
TEST(PrivateExamples, TheRunEndsBeforeAnybodyOverspends) {
  const double limit = 0.5 * (epsilon(1.5, 0.5, 8) + epsilon(1.5, 0.5, 12));
  Federation federation(fedavg(), of_examples(limit, 100));
  federation.coordinator->begin(0);
  std::map<ClientId, int> rounds;
  for (Tick tick = 1; !federation.coordinator->ended(); ++tick) {
    ASSERT_LT(tick, 100);
    const std::vector<ClientId> cohort = federation.open_clients();
    ASSERT_FALSE(cohort.empty());
    for (const ClientId client : cohort) {
      ++rounds[client];
      federation.finish(tick, client, 1.0F);
    }
  }
  EXPECT_EQ(rounds[0], 2);
  for (ClientId client = 0; client < 3; ++client) {
    const double rate = 5.0 / static_cast<double>(10 + client);
    EXPECT_LE(epsilon(1.5, rate, 4 * rounds[client]), limit);
    EXPECT_GT(epsilon(1.5, rate, 4 * (rounds[client] + 1)), limit) << "nothing is left unused";
  }
  const auto ended = federation.port.all<RunEnded>();
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].reason, "privacy budget");
  EXPECT_LE(federation.coordinator->state().epsilon, limit);
  EXPECT_TRUE(federation.coordinator->state().live.empty());
}

// A buffered run, whose windows have no cohort, ends the same way.
TEST(PrivateExamples, OverlappingTasksEndAtTheBudgetToo) {
  FederationSetup setup = of_examples(epsilon(1.5, 0.5, 8) * 1.0001, 0);
  setup.pacer_name = "fedbuff";
  setup.pacer = "{concurrency: 2, buffer: 2}";
  Federation federation(fedavg(), setup);
  federation.coordinator->begin(0);
  Tick tick = 0;
  while (!federation.coordinator->ended()) {
    ASSERT_LT(++tick, 200);
    while (!federation.port.calls.empty()) {
      const auto [when, what, window] = *federation.port.calls.begin();
      federation.port.calls.erase(federation.port.calls.begin());
      federation.coordinator->on_moment(std::max(when, tick), what, window);
    }
    if (federation.coordinator->ended()) break;
    ASSERT_FALSE(federation.coordinator->state().live.empty());
    federation.finish(tick, federation.coordinator->state().live.begin()->first.client, 1.0F);
  }
  EXPECT_EQ(federation.port.all<RunEnded>().at(0).reason, "privacy budget");
  for (const auto& [client, record] : federation.coordinator->state().records)
    EXPECT_LE(epsilon(1.5, 5.0 / static_cast<double>(10 + client), record.private_runs),
              setup.config.privacy->epsilon);
}

// Four updates of a buffer of four, after which nobody can be asked: they were paid for, so they make a
// model, and the run's end says what was spent.
TEST(PrivateExamples, WhatIsInWhenTheBudgetEndsCounts) {
  FederationSetup setup = of_examples(epsilon(1.5, 0.5, 4) * 1.0001, 0);
  setup.pacer_name = "fedbuff";
  setup.pacer = "{concurrency: 3, buffer: 4}";  // of three clients, each of whom has one task
  Federation federation(fedavg(), setup);
  federation.coordinator->begin(0);
  Tick tick = 0;
  while (!federation.coordinator->ended()) {
    ASSERT_LT(++tick, 100);
    while (!federation.port.calls.empty() && !federation.coordinator->ended()) {
      const auto [when, what, window] = *federation.port.calls.begin();
      federation.port.calls.erase(federation.port.calls.begin());
      federation.coordinator->on_moment(std::max(when, tick), what, window);
    }
    if (federation.coordinator->ended()) break;
    ASSERT_FALSE(federation.coordinator->state().live.empty());
    federation.finish(tick, federation.coordinator->state().live.begin()->first.client, 1.0F);
  }
  const auto closed = federation.port.all<WindowClosed>();
  std::uint64_t accepted = 0;
  for (const WindowClosed& window : closed) accepted += window.accepted;
  EXPECT_GE(accepted, 3U) << "every accepted update is in some window";
  EXPECT_GT(federation.parameter(), 0.0);
  const RunEnded ended = federation.port.all<RunEnded>().at(0);
  EXPECT_EQ(ended.reason, "privacy budget");
  EXPECT_DOUBLE_EQ(ended.metrics.at("epsilon"), epsilon(1.5, 0.5, 4));
}

// Its earlier steps went by the rate of another size.
TEST(PrivateExamples, AClientOfAnotherSizeIsNotAskedAgain) {
  FederationSetup setup = of_examples(0.0, 3);
  std::uint64_t grown = 10;
  setup.examples = [&grown](ClientId client) { return client == 0 ? grown : 10; };
  Federation federation(fedavg(), setup);
  federation.coordinator->begin(0);
  grown = 5000;
  for (ClientId client = 0; client < 3; ++client) federation.finish(1, client, 1.0F, 10);
  EXPECT_EQ(federation.open_clients(), (std::vector<ClientId>{1, 2}));
}

// What was given out and lost is spent all the same, and a resumed run knows it.
TEST(PrivateExamples, ASpentBudgetIsPartOfTheCheckpoint) {
  Federation federation(fedavg(), of_examples(0.0, 2));
  federation.coordinator->begin(0);
  federation.coordinator->on_lost(1, federation.task_of(0), Reason::disconnected);
  for (ClientId client = 1; client < 3; ++client) federation.finish(1, client, 1.0F);
  ASSERT_EQ(federation.port.boundaries.size(), 1U);
  Checkpoint checkpoint;
  checkpoint.state = federation.port.boundaries[0];
  const Checkpoint back = checkpoint_from_bytes(checkpoint_to_bytes(checkpoint),
                                                checkpoint.state.server.model.layout_ptr(), "test");
  EXPECT_EQ(back.state.records.at(0).private_runs, 4);
  EXPECT_EQ(back.state.epsilon, epsilon(1.5, 0.5, 4));
}

// Killed in the middle of round 2, when everybody had a task: the run that goes on from round 1 gives out the
// same tasks, which costs nothing, and what is then on record is what an undisturbed run has.
TEST(PrivateExamples, TasksThatAreGivenOutAgainAsTheyWereAreSpentOnce) {
  const FederationSetup setup = of_examples(epsilon(1.5, 0.5, 8) * 1.001, 3);  // enough for two rounds
  Federation killed(fedavg(), setup);
  killed.coordinator->begin(0);
  for (ClientId client = 0; client < 3; ++client) killed.finish(1, client, 1.0F);
  ASSERT_EQ(killed.port.spent.size(), 6U);
  EXPECT_EQ(killed.port.spent[3].window, 2U);
  EXPECT_EQ(killed.port.spent[3].runs, 4);

  FederationSetup again = setup;
  again.config.spent = killed.port.spent;
  Federation resumed(fedavg(), again, killed.port.boundaries.at(0));
  resumed.coordinator->begin(1);
  EXPECT_EQ(resumed.open_clients(), (std::vector<ClientId>{0, 1, 2}));
  EXPECT_TRUE(resumed.port.spent.empty());
  for (ClientId client = 0; client < 3; ++client) {
    EXPECT_EQ(resumed.coordinator->state().records.at(client).private_runs, 8) << client;
    resumed.finish(2, client, 1.0F);
  }
  EXPECT_TRUE(resumed.coordinator->ended());
  EXPECT_EQ(resumed.coordinator->state().windows, 2U) << "as many as without the crash";
}

// One of those who had a task is not there when the run goes on. It is not forgotten, nor counted again
// later.
TEST(PrivateExamples, WhatWasGivenOutBeforeACrashIsSpentByWhoeverHadIt) {
  FederationSetup setup = of_examples(0.0, 4);
  bool there = true;
  setup.available = [&there](ClientId client) { return there || client != 0; };
  setup.sampler = "all";
  Federation killed(fedavg(), setup);
  killed.coordinator->begin(0);
  there = false;
  setup.config.spent = killed.port.spent;  // in round 1, before any checkpoint
  Federation resumed(fedavg(), setup);
  resumed.coordinator->begin(0);
  EXPECT_EQ(resumed.open_clients(), (std::vector<ClientId>{1, 2}));
  EXPECT_EQ(resumed.coordinator->state().records.at(0).private_runs, 4);
  there = true;
  for (ClientId client = 1; client < 3; ++client) resumed.finish(1, client, 1.0F);
  ASSERT_EQ(resumed.open_clients(), (std::vector<ClientId>{0, 1, 2}));
  EXPECT_EQ(resumed.coordinator->state().records.at(0).private_runs, 8) << "its first task, of round 2 now";
  // Once more from the boundary of round 1: it holds what round 1 has cost, twice given out or not.
  setup.config.spent.insert(setup.config.spent.end(), resumed.port.spent.begin(), resumed.port.spent.end());
  Federation third(fedavg(), setup, resumed.port.boundaries.at(0));
  third.coordinator->begin(1);
  for (ClientId client = 0; client < 3; ++client)
    EXPECT_EQ(third.coordinator->state().records.at(client).private_runs, 8) << client;
}

// ---- clients ----

FederationSetup of_clients(std::size_t parameters = 2) {
  FederationSetup setup;
  setup.clients = 4;
  setup.parameters = parameters;
  setup.pacer = "{clients_per_round: 4, weights: uniform}";
  setup.sampler = "all";
  setup.config.windows = 1;
  setup.config.privacy = PrivacySettings{
      .unit = PrivacyUnit::client, .delta = kDelta, .noise_multiplier = 2.0, .clip_norm = 0.5};
  return setup;
}

// Deltas of 1 from each of 4, over 4 expected, and noise of deviation 2 * 0.5 / 4 = 0.25 in every coordinate.
TEST(PrivateClients, TheServerAddsNoiseToTheSum) {
  constexpr std::size_t kCount = 50'000;
  Federation federation(fedavg(), of_clients(kCount));
  federation.coordinator->begin(0);
  for (const Task& task : federation.port.started) {
    EXPECT_EQ(task.recipe.privacy.update_clip, 0.5);
    EXPECT_EQ(task.recipe.privacy.update_noise, 0.0);
  }
  for (ClientId client = 0; client < 4; ++client) federation.finish(1, client, 1.0F, 10 + client);
  double sum = 0.0, square = 0.0;
  for (std::size_t i = 0; i < kCount; ++i) {
    sum += federation.parameter(i) - 1.0;
    square += std::pow(federation.parameter(i) - 1.0, 2);
  }
  EXPECT_NEAR(sum / kCount, 0.0, 5 * 0.25 / std::sqrt(double{kCount}));
  EXPECT_NEAR(square / kCount, 0.0625, 0.0625 * 5 * std::sqrt(2.0 / kCount));
  EXPECT_DOUBLE_EQ(federation.coordinator->state().epsilon, epsilon(2.0, 1.0, 1));
}

// Who is missing is missing: three deltas over four expected.
TEST(PrivateClients, TheDenominatorIsTheExpectedCohort) {
  FederationSetup setup = of_clients(1);
  setup.config.privacy->noise_multiplier = 1e-9;
  Federation federation(fedavg(), setup);
  federation.coordinator->begin(0);
  federation.coordinator->on_lost(1, federation.task_of(3), Reason::disconnected);
  for (ClientId client = 0; client < 3; ++client) federation.finish(1, client, 1.0F, 10 + client);
  EXPECT_NEAR(federation.parameter(), 0.75, 1e-6);
}

// Each of 40 clients comes with probability 2 / 40, so (38/40)^40 = 13 % of rounds have nobody: they are
// rounds, with noise, at no task's end.
TEST(PrivateClients, ARoundWithNobodyIsARound) {
  FederationSetup setup = of_clients(1);
  setup.clients = 40;
  setup.pacer = "{clients_per_round: 2, weights: uniform}";
  setup.sampler = "poisson";
  setup.config.windows = 60;
  setup.examples = [](ClientId) { return 10U; };
  Federation federation(fedavg(), setup);
  federation.coordinator->begin(0);
  for (Tick tick = 1; !federation.coordinator->ended(); ++tick) {
    ASSERT_LT(tick, 100);
    for (const ClientId client : federation.open_clients()) federation.finish(tick, client, 0.0F);
  }
  std::map<std::uint64_t, int> sizes;
  Version version = 0;
  for (const WindowClosed& closed : federation.port.all<WindowClosed>()) {
    ++sizes[closed.accepted];
    EXPECT_EQ(closed.version, ++version) << "noise is a step";
  }
  EXPECT_EQ(version, 60U);
  EXPECT_GT(sizes[0], 0);
  EXPECT_GT(sizes.rbegin()->first, 2U) << "cohorts vary";
  EXPECT_DOUBLE_EQ(federation.coordinator->state().epsilon, epsilon(2.0, 0.05, 60));
}

TEST(PrivateClients, ABudgetThatIsTooSmallForOneRoundIsNotTouched) {
  FederationSetup setup = of_clients(1);
  setup.config.privacy->epsilon = 0.5 * epsilon(2.0, 1.0, 1);
  Federation federation(fedavg(), setup);
  federation.coordinator->begin(0);
  EXPECT_TRUE(federation.coordinator->ended());
  EXPECT_TRUE(federation.port.started.empty());
  EXPECT_EQ(federation.port.all<RunEnded>().at(0).reason, "privacy budget");
  EXPECT_EQ(federation.port.all<RunEnded>().at(0).metrics.at("epsilon"), 0.0);
}

// The same cohort and updates again get the same noise, another sum another.
TEST(PrivateClients, NoiseIsThatOfItsSum) {
  const auto noise = [](float delta) {
    Federation federation(fedavg(), of_clients(1));
    federation.coordinator->begin(0);
    for (ClientId client = 0; client < 4; ++client) federation.finish(1, client, delta);
    return federation.parameter() - static_cast<double>(delta);
  };
  EXPECT_EQ(noise(1.0F), noise(1.0F));
  EXPECT_GT(std::abs(noise(1.0F) - noise(2.0F)), 1e-3);
}

TEST(PrivateClients, TheRunEndsBeforeTheNextRoundOverspends) {
  FederationSetup setup = of_clients(1);
  setup.config.windows = 50;
  setup.config.privacy->epsilon = 0.5 * (epsilon(2.0, 1.0, 3) + epsilon(2.0, 1.0, 4));
  Federation federation(fedavg(), setup);
  federation.coordinator->begin(0);
  for (Tick tick = 1; !federation.coordinator->ended(); ++tick)
    for (ClientId client = 0; client < 4; ++client) federation.finish(tick, client, 1.0F);
  EXPECT_EQ(federation.port.all<WindowClosed>().size(), 3U);
  EXPECT_EQ(federation.port.all<RunEnded>().at(0).reason, "privacy budget");
}

// Noise of every client, who weighs what it weighs; what it may still spend is its own.
TEST(PrivateClients, MayAddTheNoiseThemselves) {
  FederationSetup setup = of_clients(1);
  setup.config.privacy->local_noise = true;
  Federation federation(fedavg(), setup);
  federation.coordinator->begin(0);
  EXPECT_EQ(federation.port.started[0].recipe.privacy.update_noise, 2.0);
  for (ClientId client = 0; client < 4; ++client) federation.finish(1, client, 1.0F);
  EXPECT_NEAR(federation.parameter(), 1.0, 1e-6) << "the server adds none";
  EXPECT_DOUBLE_EQ(federation.coordinator->state().epsilon, epsilon(2.0, 1.0, 1));
}

// All four say that they were within the norm: b = 1, so it shrinks by exp(-0.2 (1 - 0.5)) but for the noise
// in the count, 1e-3 / 4. The next round's tasks have the new one, and no count leaves the server.
TEST(PrivateClients, TheNormFollowsTheUpdates) {
  FederationSetup setup = of_clients(1);
  setup.config.windows = 2;
  setup.config.privacy->noise_multiplier = 1e-3;
  setup.config.privacy->adaptive = privacy::AdaptiveClip{.count_noise = 1e-3};
  Federation federation(fedavg(), setup);
  federation.coordinator->begin(0);
  for (ClientId client = 0; client < 4; ++client) {
    Update update = make_update(federation.task_of(client), 10, {{"delta", FloatBuffer{0.1F}}});
    update.scalars[privacy::kWithinClip] = 0.5;
    federation.report(1, update);
  }
  const double expected = 0.5 * std::exp(-0.1);
  EXPECT_NEAR(federation.port.all<WindowClosed>().at(0).metrics.at("clip_norm"), expected, 1e-3);
  EXPECT_NEAR(federation.port.started.back().recipe.privacy.update_clip, expected, 1e-3);
  EXPECT_TRUE(federation.port.started.back().recipe.privacy.counts_clipped);
  const WindowClosed closed = federation.port.all<WindowClosed>().at(0);
  for (const auto& [name, value] : closed.metrics)
    EXPECT_TRUE(name == "epsilon" || name == "clip_norm") << name << " leaves the server";
}

}  // namespace
}  // namespace fedloom::testing
