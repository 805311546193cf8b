// Each algorithm against numbers worked out by hand (exact rationals where the papers' rules give them). Both
// halves are made from YAML and driven through their public interfaces. Storage is float, sums are
// fixed-point: the tolerance is 1e-6 relative throughout, a few float ulps.
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "tests/support/by_hand.hpp"

namespace fedloom::testing {
namespace {

void expect_close(double actual, double expected, const char* what) {
  EXPECT_NEAR(actual, expected, 1e-6 * std::max(1.0, std::abs(expected))) << what;
}

// ---- FedAvg ----

// fedavg_weighted: models (1,2), (3,4), (5,6) with 1, 1, 2 examples average to (7/2, 9/2). One step of rate 1
// on |y - b|^2 / 2 goes from anywhere to b, so each client's data is its model.
TEST(FedAvg, AveragesModelsByExamples) {
  ByHand world("fedavg", "{}", {0, 0}, 3);
  std::vector<HandClient> clients = {{{{1, 1, 2}}, 1}, {{{1, 3, 4}}, 1}, {{{1, 5, 6}}, 2}};
  std::vector<HandResult> results;
  for (ClientId id = 0; id < clients.size(); ++id)
    results.push_back(world.train(id, clients[id], {.epochs = 1, .batch_size = 1, .learning_rate = 1.0}));
  EXPECT_EQ(results[2].parameters[1], 6.0F);
  world.advance(results);
  expect_close(world.parameter(0), 3.5, "w0");
  expect_close(world.parameter(1), 4.5, "w1");
}

// fedavg_delta_server_lr: w + 1/2 (3/4 ((3,1) - w) + 1/4 ((1,5) - w)) with w = (1,1) is (7/4, 3/2).
TEST(FedAvg, StepsAlongTheMeanDelta) {
  ByHand world("fedavg", "server_lr: 0.5", {1, 1}, 2);
  std::vector<HandClient> clients = {{{{1, 3, 1}}, 3}, {{{1, 1, 5}}, 1}};
  std::vector<HandResult> results;
  for (ClientId id = 0; id < clients.size(); ++id)
    results.push_back(world.train(id, clients[id], {.epochs = 1, .batch_size = 1, .learning_rate = 1.0}));
  world.advance(results);
  expect_close(world.parameter(0), 1.75, "w0");
  expect_close(world.parameter(1), 1.5, "w1");
}

// fedavg_counts: 60000 examples over 100 clients, E = 5, B = 10: u = E n / (K B) = 300 steps per client.
TEST(FedAvg, TakesAsManyStepsAsThePaperCounts) {
  ByHand world("fedavg", "{}", {0}, 100);
  HandClient client{std::vector<std::vector<float>>(600, {1, 1})};
  const HandResult result = world.train(0, client, {.epochs = 5, .batch_size = 10, .learning_rate = 0.01});
  EXPECT_EQ(result.update.steps, 300U);
}

// Running statistics are averaged plainly, whatever the server's learning rate: 10 + mean(2, 4) = 13, while
// the trained parameter moves half of the mean delta: 1 + (1 + 3) / 2 / 2 = 2.
TEST(EveryServerRule, AveragesStatisticsPlainly) {
  for (const std::string name :
       {"fedavg", "fedprox", "scaffold", "fedavgm", "fedadagrad", "fedadam", "fedyogi"}) {
    SCOPED_TRACE(name);
    ByHand world(name, "server_lr: 0.5", {1, 10}, 2, 1);
    std::vector<HandResult> results = {ByHand::delta(0, 1, {1, 2}), ByHand::delta(1, 1, {3, 4})};
    if (name == "scaffold")
      for (HandResult& result : results)
        result.update.slots.push_back(Payload::from("control_delta", Tensor::zeros({2})));
    world.advance(results);
    expect_close(world.parameter(1), 13.0, "statistic");
    if (name == "fedavg" || name == "fedprox" || name == "fedavgm" || name == "scaffold")
      expect_close(world.parameter(0), 2.0, "trained");
  }
}

// ---- FedProx ----

// fedprox_step: w = 2, start 1, gradient 1/2, mu = rate = 0.1: 2 - 0.1 (0.5 + 0.1 (2 - 1)) = 1.94.
TEST(FedProx, PullsTowardsTheStartModel) {
  const Algorithm algorithm = make_algorithm("fedprox", "mu: 0.1");
  const QuadraticModel model(1);
  const SliceSet exchanged = SliceSet::exchanged(*model.layout());
  const FloatBuffer start = {1.0F};
  FloatBuffer parameters = {2.0F};
  FloatBuffer gradient = {0.5F};
  TaskRun run;
  run.exchanged = run.uploaded = &exchanged;
  run.start = start;
  run.parameters = parameters;
  run.gradient = gradient;
  algorithm.objective->correct(run, gradient);
  PlainDescent().step(*model.layout(), parameters, gradient, 0.1);
  expect_close(static_cast<double>(parameters[0]), 1.94, "w");
}

// fedprox_two_steps: f = (w - 4)^2 / 2 from 0 with mu = 1/2, rate 0.1: 0.4, then 0.74.
TEST(FedProx, FollowsTheTrajectory) {
  for (const auto& [steps, expected] : {std::pair<std::int64_t, double>{1, 0.4}, {2, 0.74}}) {
    ByHand world("fedprox", "mu: 0.5", {0}, 1);
    HandClient client{{{1, 4}}};
    const HandResult result = world.train(0, client, {.steps = steps, .batch_size = 1, .learning_rate = 0.1});
    expect_close(static_cast<double>(result.parameters[0]), expected, "w");
    expect_close(static_cast<double>(result.update.slot("delta")->values()[0]), expected, "delta");
  }
}

// ---- SCAFFOLD ----

// f1 = y^2 / 2 (a = 1, b = 0), f2 = (y - 3)^2 (a = 2, b = 3), x0 = 1, K = 2, eta_l = 0.1, eta_g = 1, N = |S|
// = 2.
struct ScaffoldRound {
  double y[2];
  double c_i[2];
  double x;
  double c;
};

void expect_scaffold(const std::string& settings, const std::vector<ScaffoldRound>& rounds) {
  ByHand world("scaffold", settings, {1}, 2);
  std::vector<HandClient> clients = {{{{1, 0}}}, {{{2, 3}}}};
  const Recipe recipe{.steps = 2, .batch_size = 1, .learning_rate = 0.1};
  for (const ScaffoldRound& round : rounds) {
    std::vector<HandResult> results;
    for (ClientId id = 0; id < 2; ++id) {
      results.push_back(world.train(id, clients[id], recipe));
      expect_close(static_cast<double>(results.back().parameters[0]), round.y[id], "y");
      expect_close(static_cast<double>(clients[id].kept.at("control").data[0]), round.c_i[id], "c_i");
    }
    const auto metrics = world.advance(results);
    expect_close(world.parameter(), round.x, "x");
    expect_close(world.slot("control"), round.c, "c");
    expect_close(metrics.at("control_norm"), std::abs(round.c), "norm of c");
  }
}

TEST(Scaffold, OptionOneIsTheFullGradient) {  // scaffold_option1
  expect_scaffold("option: 1", {{{0.81, 1.72}, {1.0, -4.0}, 1.265, -1.5},
                                {{1.49965, 1.4396}, {1.265, -3.47}, 1.469625, -1.1025}});
}

TEST(Scaffold, OptionTwoComesFromTheDrift) {  // scaffold_option2
  expect_scaffold("option: 2", {{{0.81, 1.72}, {0.95, -3.6}, 1.265, -1.325},
                                {{1.4569, 1.4801}, {1.3155, -3.3505}, 1.4685, -1.0175}});
}

// Three clients of four take part once: c = (1/N) sum of the changes with N = 4, not 3. With option 1 at x =
// 1 the changes are the gradients 1, -4 and 2 (1 - 0) = 2: c = -1/4.
TEST(Scaffold, DividesByAllClients) {
  ByHand world("scaffold", "{option: 1}", {1}, 4);
  std::vector<HandClient> clients = {{{{1, 0}}}, {{{2, 3}}}, {{{2, 0}}}};
  std::vector<HandResult> results;
  for (ClientId id = 0; id < 3; ++id)
    results.push_back(world.train(id, clients[id], {.steps = 1, .batch_size = 1, .learning_rate = 0.1}));
  world.advance(results);
  expect_close(world.slot("control"), -0.25, "c");
}

// Option 1 takes the mean over all examples in batches of any size: gradients at x = 1 are 1, 2 (1 - 3) = -4
// and 3 (1 - 2) = -3, mean -2.
TEST(Scaffold, FullGradientIsOverAllExamplesWhateverTheBatch) {
  for (const std::int64_t batch_size : {1, 2, 3, 7}) {
    ByHand world("scaffold", "{option: 1}", {1}, 1);
    HandClient client{{{1, 0}, {2, 3}, {3, 2}}};
    world.train(0, client, {.steps = 1, .batch_size = batch_size, .learning_rate = 0.1});
    expect_close(static_cast<double>(client.kept.at("control").data[0]), -2.0, "c_i");
  }
}

// Deltas 1 and 3 of clients with 3 and 1 examples: their uniform mean is 2.
TEST(Scaffold, WeighsClientsAlike) {
  ByHand world("scaffold", "", {0}, 2);
  std::vector<HandResult> results = {ByHand::delta(0, 3, {1}), ByHand::delta(1, 1, {3})};
  for (HandResult& result : results)
    result.update.slots.push_back(Payload::from("control_delta", Tensor::zeros({1})));
  world.advance(results);
  expect_close(world.parameter(), 2.0, "uniform");
}

TEST(Scaffold, RefusesMomentum) {
  struct Momentum : PlainDescent {
    bool is_plain_sgd() const override { return false; }
  } momentum;
  ByHand world("scaffold", "{}", {0}, 1);
  HandClient client{{{1, 1}}};
  EXPECT_THROW(world.train(0, client, {.steps = 1, .batch_size = 1}, &momentum), UserError);
}

TEST(Scaffold, AnEmptyClientChangesNothing) {
  ByHand world("scaffold", "{option: 2}", {1}, 1);
  HandClient client;
  const HandResult result = world.train(0, client, {.epochs = 1, .batch_size = 4});
  EXPECT_EQ(result.update.slot("delta")->values()[0], 0.0F);
  EXPECT_EQ(result.update.slot("control_delta")->values()[0], 0.0F);
  EXPECT_EQ(result.update.steps, 0U);
}

// ---- server optimizers: mean deltas 0.5 then -0.2 from x = 1 ----

struct OptimizerRound {
  double m;
  double v;
  double x;
};

void expect_optimizer(const std::string& name, const std::string& settings,
                      const std::vector<OptimizerRound>& rounds) {
  ByHand world(name, settings, {1}, 1);
  const double deltas[] = {0.5, -0.2};
  for (std::size_t r = 0; r < rounds.size(); ++r) {
    world.advance({ByHand::delta(0, 1, {static_cast<float>(deltas[r])})});
    expect_close(world.slot("m"), rounds[r].m, "m");
    expect_close(world.slot("v"), rounds[r].v, "v");
    expect_close(world.parameter(), rounds[r].x, "x");
  }
}

TEST(FedAdagrad, WithoutMomentum) {  // fedadagrad
  expect_optimizer("fedadagrad", "{server_lr: 0.1, tau: 0.001, beta1: 0}",
                   {{0.5, 0.250001, 1.0998001999998}, {-0.2, 0.290001, 1.0627300338488108}});
}

TEST(FedAdagrad, WithMomentum) {  // fedadagrad_b09
  expect_optimizer("fedadagrad", "{server_lr: 0.1, tau: 0.001, beta1: 0.9}",
                   {{0.05, 0.250001, 1.00998001999998}, {0.025, 0.290001, 1.0146137907688537}});
}

TEST(FedAdam, WithoutBiasCorrection) {  // fedadam
  expect_optimizer("fedadam", "{eta: 0.1, tau: 0.001, beta1: 0.9, beta2: 0.99}",
                   {{0.05, 0.00250099, 1.0980201901209485}, {0.025, 0.0028759801, 1.1437841287779973}});
}

// v0 = tau^2 = 1e-6. Round 1, D = 1/2: D^2 = 1/4 > v, so v = 1e-6 + 0.01 / 4 = 0.002501, m = 0.05,
// x = 1 + 0.1 * 0.05 / (sqrt(0.002501) + 0.001) = 1 + 0.005 / 0.0510099990002 = 1.0980200...
// Round 2, D = -1/5: D^2 = 0.04 > v, v = 0.002501 + 0.0004 = 0.002901, m = 0.045 - 0.02 = 0.025.
TEST(FedYogi, AddsWhileTheSquareIsLarger) {
  const double x1 = 1.0 + 0.1 * 0.05 / (std::sqrt(0.002501) + 0.001);
  const double x2 = x1 + 0.1 * 0.025 / (std::sqrt(0.002901) + 0.001);
  expect_optimizer("fedyogi", "{server_lr: 0.1, tau: 0.001, beta1: 0.9, beta2: 0.99}",
                   {{0.05, 0.002501, x1}, {0.025, 0.002901, x2}});
}

// With v0 = tau^2 = 1 and D = 1/2, D^2 < v: Yogi subtracts, v = 1 - 0.01 / 4 = 0.9975, where Adam would decay
// to 0.99 + 0.0025 = 0.9925. Then D = -1/5: v = 0.9975 - 0.0004 = 0.9971.
TEST(FedYogi, SubtractsWhileTheSquareIsSmaller) {
  const double x1 = 1.0 + 0.1 * 0.05 / (std::sqrt(0.9975) + 1.0);
  const double x2 = x1 + 0.1 * 0.025 / (std::sqrt(0.9971) + 1.0);
  expect_optimizer("fedyogi", "{server_lr: 0.1, tau: 1, beta1: 0.9, beta2: 0.99}",
                   {{0.05, 0.9975, x1}, {0.025, 0.9971, x2}});
}

TEST(FedAvgM, KeepsMomentum) {  // fedavgm: v = 1/2, x = 3/2; then v = 1/4, x = 7/4
  ByHand world("fedavgm", "{beta: 0.9, server_lr: 1}", {1}, 1);
  world.advance({ByHand::delta(0, 1, {0.5F})});
  expect_close(world.slot("momentum"), 0.5, "v");
  expect_close(world.parameter(), 1.5, "x");
  world.advance({ByHand::delta(0, 1, {-0.2F})});
  expect_close(world.slot("momentum"), 0.25, "v");
  expect_close(world.parameter(), 1.75, "x");
}

// ---- baselines ----

TEST(Centralised, TakesTheOneModelAsItIs) {
  ByHand world("centralised", "{}", {1, 1}, 1);
  EXPECT_TRUE(world.strategy().traits().pools_data);
  HandClient client{{{1, 3, 4}}};
  world.advance({world.train(0, client, {.steps = 1, .batch_size = 1, .learning_rate = 1.0})});
  expect_close(world.parameter(0), 3.0, "w0");
  expect_close(world.parameter(1), 4.0, "w1");
}

TEST(LocalOnly, EveryClientGoesItsOwnWay) {
  ByHand world("local_only", "{}", {0}, 2);
  EXPECT_FALSE(world.strategy().traits().exchanges);
  std::vector<HandClient> clients = {{{{1, 8}}}, {{{1, -8}}}};
  const Recipe half{.steps = 1, .batch_size = 1, .learning_rate = 0.5};
  for (const double expected : {4.0, 6.0, 7.0}) {  // half of what is left, each time
    for (ClientId id = 0; id < 2; ++id) {
      const HandResult result = world.train(id, clients[id], half);
      EXPECT_TRUE(result.update.slots.empty());
      expect_close(static_cast<double>(clients[id].kept.at("model").data[0]), id == 0 ? expected : -expected,
                   "w");
    }
    EXPECT_EQ(world.parameter(), 0.0);
  }
}

TEST(LocalOnly, RefusesAModelOfAnotherSize) {
  ByHand world("local_only", "{}", {0, 0}, 1);
  HandClient client{{{1, 8, 8}}, 0, {{"model", Tensor::zeros({3})}}};
  EXPECT_THROW(world.train(0, client, {.steps = 1, .batch_size = 1}), UserError);
}

}  // namespace
}  // namespace fedloom::testing
