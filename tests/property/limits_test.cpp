// Algorithms at the limits where they must become one another, and symmetries of a federation. Exact ones are
// compared to the bit, the others within float rounding (1e-5 relative over a few rounds).
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "tests/property/small_run.hpp"
#include "tests/support/algorithms.hpp"

namespace fedloom::testing {
namespace {

// Random jobs, the same for every algorithm.
Job job(std::uint64_t trial) {
  Random random(trial, Stream::strategy, 7);
  Job job;
  job.pacer = fmt::format("clients_per_round: {}", 1 + random.below(8));
  for (std::size_t& size : job.sizes) size = 1 + random.below(12);
  job.parameters = 1 + random.below(20);
  job.recipe.epochs = 1 + static_cast<std::int64_t>(random.below(3));
  job.recipe.batch_size = 1 + static_cast<std::int64_t>(random.below(6));
  return job;
}

Outcome run_as(Job job, const std::string& algorithm, const std::string& settings) {
  job.algorithm = algorithm;
  job.settings = settings;
  return run(job);
}

void expect_near(const std::vector<float>& a, const std::vector<float>& b, double tolerance = 1e-5) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    EXPECT_NEAR(static_cast<double>(a[i]), static_cast<double>(b[i]),
                tolerance * std::max(1.0, std::abs(static_cast<double>(b[i]))));
}

TEST(Limits, FedProxWithoutPullIsFedAvg) {
  for (std::uint64_t trial = 0; trial < 10; ++trial)
    EXPECT_EQ(run_as(job(trial), "fedprox", "mu: 0").model(), run_as(job(trial), "fedavg", "{}").model());
}

TEST(Limits, FedProxWithPullIsNot) {
  EXPECT_NE(run_as(job(0), "fedprox", "mu: 0.5").model(), run_as(job(0), "fedavg", "{}").model());
}

TEST(Limits, FedAvgMWithoutMomentumIsFedAvg) {
  for (std::uint64_t trial = 0; trial < 10; ++trial)
    for (const char* rate : {"1", "0.5", "1.7"}) {
      const std::string server_lr = fmt::format("server_lr: {}", rate);
      EXPECT_EQ(run_as(job(trial), "fedavgm", fmt::format("{{beta: 0, {}}}", server_lr)).model(),
                run_as(job(trial), "fedavg", server_lr).model());
    }
}

// Without decay and with a large tau, x + eta D / (sqrt(v) + tau) tends to x + (eta / tau) D.
TEST(Limits, FedAdamWithLargeTauIsFedAvg) {
  for (std::uint64_t trial = 0; trial < 5; ++trial) {
    // v starts at tau^2 and barely moves, so the divisor is 2 tau.
    const Outcome adam =
        run_as(job(trial), "fedadam", "{beta1: 0, beta2: 0.999999, tau: 1000, server_lr: 2000}");
    expect_near(adam.model(), run_as(job(trial), "fedavg", "{}").model(), 1e-4);
  }
}

TEST(Limits, ServerRateScalesTheFirstStep) {
  for (std::uint64_t trial = 0; trial < 10; ++trial) {
    Job one = job(trial);
    one.windows = 1;
    const std::vector<float> full = run_as(one, "fedavg", "server_lr: 1").model();
    std::vector<float> expected;
    for (const float value : full)
      expected.push_back(0.25F + 0.3F * (value - 0.25F));  // from 0.25, where all start
    expect_near(run_as(one, "fedavg", "server_lr: 0.3").model(), expected);
  }
}

// In the first round all variates are zero, so SCAFFOLD is FedAvg with clients weighed alike, to the bit.
TEST(Limits, ScaffoldsFirstRoundIsFedAvg) {
  for (std::uint64_t trial = 0; trial < 10; ++trial) {
    Job one = job(trial);
    one.windows = 1;
    Job uniform = one;
    uniform.pacer = fmt::format("{{{}, weights: uniform}}", one.pacer);
    EXPECT_EQ(run_as(one, "scaffold", "{}").model(), run_as(uniform, "fedavg", "{}").model());
  }
}

// A client alone has c = c_i, which cancel: SCAFFOLD is FedAvg in every round.
TEST(Limits, ScaffoldWithOneClientIsFedAvg) {
  for (const char* settings : {"option: 1", "option: 2"})
    for (std::uint64_t trial = 0; trial < 5; ++trial) {
      Job alone = job(trial);
      alone.sizes = {11};
      expect_near(run_as(alone, "scaffold", settings).model(), run_as(alone, "fedavg", "{}").model());
    }
}

TEST(Limits, OneClientWithAllDataIsCentralisedTraining) {
  for (std::uint64_t trial = 0; trial < 5; ++trial) {
    Job alone = job(trial);
    alone.sizes = {25};
    EXPECT_EQ(run_as(alone, "fedavg", "{}").model(), run_as(alone, "centralised", "{}").model());
  }
}

// One full-batch step of every client, weighted by examples, is one full-batch step on all data: the gradient
// is linear. (FedSGD, McMahan et al. 2017.)
TEST(Limits, OneFullBatchStepOfAllIsGradientDescent) {
  for (std::uint64_t trial = 0; trial < 5; ++trial) {
    Job federated = job(trial);
    federated.sampler = "all";
    federated.recipe = {.epochs = 1, .batch_size = 1000, .learning_rate = 0.3};
    Job pooled = federated;
    const QuadraticFederation split(federated.parameters, federated.sizes);
    std::vector<std::vector<float>> rows;
    for (std::size_t client = 0; client < split.clients(); ++client) {
      const ExampleView view = split.client(client);
      std::vector<float> features(view.size() * (1 + federated.parameters));
      std::vector<std::int32_t> labels(view.size());
      view.examples->gather(view.indices, features.data(), labels.data());
      for (std::size_t i = 0; i < view.size(); ++i) {
        const auto begin = features.begin() + static_cast<std::ptrdiff_t>(i * (1 + federated.parameters));
        rows.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(1 + federated.parameters));
      }
    }
    // By hand, in double.
    std::vector<double> model(federated.parameters, 0.25);
    for (std::uint64_t round = 0; round < federated.windows; ++round) {
      std::vector<double> gradient(model.size(), 0.0);
      for (const auto& row : rows)
        for (std::size_t i = 0; i < model.size(); ++i)
          gradient[i] += static_cast<double>(row[0]) * (model[i] - static_cast<double>(row[1 + i]));
      for (std::size_t i = 0; i < model.size(); ++i)
        model[i] -= 0.3 * gradient[i] / static_cast<double>(rows.size());
    }
    expect_near(run_as(federated, "fedavg", "{}").model(), {model.begin(), model.end()});
  }
}

// Whose data is called client 3 does not matter when everybody takes part and there is nothing to shuffle
// (one example each): sums have no order.
class Renamed : public FederatedData {
 public:
  Renamed(std::shared_ptr<const FederatedData> data, std::vector<std::size_t> names)
      : data_(std::move(data)), names_(std::move(names)) {}
  const DataSpec& spec() const override { return data_->spec(); }
  std::size_t clients() const override { return data_->clients(); }
  std::size_t example_count(std::size_t client) const override {
    return data_->example_count(names_.at(client));
  }
  ExampleView client(std::size_t client) const override { return data_->client(names_.at(client)); }
  ExampleView client_test(std::size_t client) const override { return data_->client_test(names_.at(client)); }
  const ExampleView& validation() const override { return data_->validation(); }
  const ExampleView& test() const override { return data_->test(); }
  std::size_t memory_bytes() const override { return 0; }

 private:
  std::shared_ptr<const FederatedData> data_;
  std::vector<std::size_t> names_;
};

TEST(Symmetry, NamesOfClientsDoNotMatter) {
  for (const std::string algorithm : {"fedavg", "fedprox", "scaffold", "fedavgm", "fedadam", "fedyogi"})
    for (std::uint64_t trial = 0; trial < 4; ++trial) {
      SCOPED_TRACE(algorithm);
      Job named = job(trial);
      named.sizes.assign(9, 1);
      named.sampler = "all";
      const auto data = std::make_shared<QuadraticFederation>(named.parameters, named.sizes);
      std::vector<std::size_t> names(9);
      std::iota(names.begin(), names.end(), 0U);
      named.data = data;
      const std::vector<float> reference = run_as(named, algorithm, "{}").model();
      Random random(trial, Stream::partition);
      random.shuffle(std::span(names));
      named.data = std::make_shared<Renamed>(data, names);
      EXPECT_EQ(run_as(named, algorithm, "{}").model(), reference);
    }
}

TEST(Symmetry, EqualCountsWeighLikeUniform) {
  for (std::uint64_t trial = 0; trial < 5; ++trial) {
    Job equal = job(trial);
    equal.sizes.assign(8, 6);
    Job uniform = equal;
    uniform.pacer = fmt::format("{{{}, weights: uniform}}", equal.pacer);
    expect_near(run(uniform).model(), run(equal).model());
  }
}

// SCAFFOLD with everybody taking part finds the optimum of its objective, the mean of the client losses, also
// where clients differ in size and take many local steps. Client k pulls to b_k, the mean of its examples'
// centres weighted by their strengths, with strength a_k, their mean: the optimum is sum a_k b_k / sum a_k.
TEST(Limits, ScaffoldFindsTheOptimumOfClientsOfUnequalSizes) {
  Job scaffold = job(0);
  scaffold.sizes = {1, 9, 3};
  scaffold.pacer = "clients_per_round: 3";
  scaffold.parameters = 2;
  scaffold.windows = 400;
  scaffold.recipe = {.epochs = 5, .batch_size = 16, .learning_rate = 0.05};
  const auto data = std::make_shared<QuadraticFederation>(scaffold.parameters, scaffold.sizes);
  scaffold.data = data;
  std::vector<double> pull(scaffold.parameters, 0.0);
  double strength = 0.0;
  for (std::size_t k = 0; k < data->clients(); ++k) {
    const ExampleView view = data->client(k);
    std::vector<float> row(1 + scaffold.parameters);
    for (const std::uint32_t i : view.indices) {
      std::int32_t label = 0;
      view.examples->gather({&i, 1}, row.data(), &label);
      const double share = static_cast<double>(row[0]) / static_cast<double>(view.size());
      strength += share;
      for (std::size_t p = 0; p < pull.size(); ++p) pull[p] += share * static_cast<double>(row[1 + p]);
    }
  }
  const std::vector<float> model = run_as(scaffold, "scaffold", "{}").model();
  for (std::size_t p = 0; p < pull.size(); ++p) EXPECT_NEAR(model[p], pull[p] / strength, 1e-4);
}

// Clients that start where everybody's optimum lies stay there.
TEST(Symmetry, ACommonOptimumIsAFixedPoint) {
  for (const std::string& algorithm : algorithms_of_any_model()) {
    SCOPED_TRACE(algorithm);
    Job still = job(0);
    class Same : public QuadraticFederation {
     public:
      Same(std::size_t parameters, std::size_t clients)
          : QuadraticFederation(parameters, std::vector<std::size_t>(clients, 1)),
            row_(std::make_shared<QuadraticExamples>(
                std::vector<std::vector<float>>{std::vector<float>(1 + parameters, 0.25F)})) {}
      ExampleView client(std::size_t) const override { return {row_, {0}}; }

     private:
      std::shared_ptr<const Examples> row_;
    };
    still.data = std::make_shared<Same>(still.parameters, 8);
    EXPECT_EQ(run_as(still, algorithm, "{}").model(), std::vector<float>(still.parameters, 0.25F));
  }
}

}  // namespace
}  // namespace fedloom::testing
