// DP-SGD on a client: the vectors of the mechanism, its sampling and its noise against their distributions at
// fixed seeds, and what stays out of it.
#include "algorithms/privacy/private_training.hpp"

#include <cmath>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/gradient_clip.hpp"
#include "tests/support/by_hand.hpp"
#include "tests/support/noise_data.hpp"
#include "tests/support/quadratic.hpp"
#include "tests/support/vectors.hpp"

namespace fedloom::testing {
namespace {

// With strength a = 1 and y = 0, an example at b has the gradient -b.
std::vector<std::vector<float>> with_gradients(const std::vector<std::vector<double>>& gradients) {
  std::vector<std::vector<float>> rows;
  for (const auto& g : gradients)
    rows.push_back({1.0F, static_cast<float>(-g[0]), static_cast<float>(-g[1])});
  return rows;
}

struct Trained {
  FloatBuffer parameters;
  std::uint64_t steps = 0;
  std::uint64_t loss_count = 0;
  std::vector<std::vector<std::uint32_t>> batches;
};

Trained train(std::vector<std::vector<float>> rows, const Recipe& recipe, std::uint64_t secret = 1,
              const LocalObjective& objective = LocalObjective()) {
  const std::size_t parameters = rows.front().size() - 1;
  const QuadraticModel model(parameters);
  const SliceSet exchanged = SliceSet::exchanged(*model.layout());
  QuadraticData data(parameters, std::move(rows));
  PlainDescent descent;
  const auto workspace = model.workspace(static_cast<std::size_t>(recipe.examples_at_once()));
  Task task;
  task.id = {0, 1};
  const FloatBuffer start(parameters, 0.0F);
  Trained done;
  done.parameters = start;
  FloatBuffer gradient(parameters);
  TaskRun run;
  run.task = &task;
  run.model = &model;
  run.exchanged = run.uploaded = &exchanged;
  run.data = &data;
  run.workspace = workspace.get();
  run.optimizer = &descent;
  run.recipe = recipe;
  run.seed = 1;
  run.secret = secret;
  run.start = start;
  run.parameters = done.parameters;
  run.gradient = gradient;
  objective.work("train", run);
  done.steps = run.steps;
  done.loss_count = run.loss_count;
  done.batches = data.batches;
  return done;
}

// Clipped sums and means of the vector file: all examples (q = 1) in one step of rate 1 from y = 0, so y is
// minus the mean over n; the file divides by L, and its noise is added by hand.
TEST(PrivateTraining, ClippedSumsAreThoseOfTheVectors) {
  const auto vectors = read_vectors("lora.json");
  if (!vectors) GTEST_SKIP() << "no vectors: set FEDLOOM_VECTORS";
  int met = 0;
  for (const auto& vector : vectors->at("dp_sgd")) {
    const auto& in = vector.at("in");
    const auto& out = vector.at("out");
    std::vector<std::vector<double>> gradients;
    if (in.contains("g"))
      gradients = in.at("g").get<std::vector<std::vector<double>>>();
    else
      for (const auto& g : out.at("per_example_grad"))
        gradients.push_back({g[0][0].get<double>(), g[1][0].get<double>()});
    const auto flat = [](const nlohmann::json& values) {
      std::vector<double> all;
      for (const auto& value : values)
        all.push_back(value.is_array() ? value[0].get<double>() : value.get<double>());
      return all;
    };
    Recipe recipe{.steps = 1, .batch_size = 64, .learning_rate = 1.0};
    recipe.privacy.example_clip = in.at("C").get<double>();
    const Trained done = train(with_gradients(gradients), recipe);
    const double n = static_cast<double>(gradients.size());
    const std::vector<double> clipped = flat(out.at("sum_clipped"));
    const std::vector<double> draw = flat(in.at("std_normal_draw"));
    const std::vector<double> mean = flat(out.at("noisy_mean"));
    const double deviation = in.at("noise_multiplier").get<double>() * in.at("C").get<double>();
    for (std::size_t i = 0; i < 2; ++i) {
      const double sum = -static_cast<double>(done.parameters[i]) * n;
      EXPECT_NEAR(sum, clipped[i], 1e-5) << vector.at("name");
      EXPECT_NEAR((sum + deviation * draw[i]) / in.at("expected_batch").get<double>(), mean[i], 1e-5);
    }
    ++met;
  }
  EXPECT_GE(met, 2);
}

// Divided by what is expected, not by what came; slices that are not trained keep what was there.
TEST(PrivateTraining, NoiseGoesToTrainedSlicesAndTheSumIsDividedByTheExpectedBatch) {
  Layout::Builder builder;
  builder.add("frozen", {2}, Role::frozen);
  builder.add("w", {3});
  const auto layout = builder.build();
  FloatBuffer sum = {7, 7, 8, -4, 2};
  Random random(1, Stream::noise);
  privacy::add_noise_and_divide(trained_slices(*layout), sum, 0.0, 4.0, random);
  EXPECT_THAT(sum, ::testing::ElementsAre(7, 7, 2, -1, 0.5));
  Random same(1, Stream::noise);
  EXPECT_EQ(random.next64(), same.next64()) << "without noise nothing is drawn";
}

// 400,000 draws of deviation 6 over 2: the mean is within 5 standard errors (3 / sqrt(400000)) of 1/2, and
// the variance within 5 sqrt(2 / 400000) of 9, relatively.
TEST(PrivateTraining, NoiseHasTheDeviationAskedFor) {
  constexpr std::size_t kCount = 400'000;
  Layout::Builder builder;
  builder.add("w", {kCount});
  FloatBuffer sum(kCount, 1.0F);
  Random random(3, Stream::noise);
  privacy::add_noise_and_divide(trained_slices(*builder.build()), sum, 6.0, 2.0, random);
  const double mean = std::accumulate(sum.begin(), sum.end(), 0.0) / kCount;
  double square = 0.0;
  for (const double value : sum) square += (value - mean) * (value - mean);
  EXPECT_NEAR(mean, 0.5, 5 * 3.0 / std::sqrt(double{kCount}));
  EXPECT_NEAR(square / kCount, 9.0, 9.0 * 5 * std::sqrt(2.0 / kCount));
}

// 20,000 samples of 50 examples at q = 0.06: sizes are binomial, every example comes as often as another, and
// two neighbours come together q^2 of the time. Bounds of five standard errors.
TEST(PoissonSample, EveryExampleByItself) {
  constexpr int kSamples = 20'000;
  constexpr std::size_t kExamples = 50;
  constexpr double kRate = 0.06;
  privacy::PoissonSample sample(kExamples, kRate, Random(5, Stream::data_order));
  std::vector<int> counts(kExamples, 0);
  double size = 0.0, square = 0.0;
  int empty = 0, together = 0;
  for (int i = 0; i < kSamples; ++i) {
    const auto positions = sample.next();
    ASSERT_TRUE(std::is_sorted(positions.begin(), positions.end()));
    ASSERT_EQ(std::adjacent_find(positions.begin(), positions.end()), positions.end());
    for (const std::uint32_t position : positions) ++counts.at(position);
    for (std::size_t k = 1; k < positions.size(); ++k)
      together += positions[k] == positions[k - 1] + 1 ? 1 : 0;
    empty += positions.empty() ? 1 : 0;
    size += static_cast<double>(positions.size());
    square += static_cast<double>(positions.size() * positions.size());
  }
  const double mean = size / kSamples;
  const double variance = kExamples * kRate * (1 - kRate);
  EXPECT_NEAR(mean, kExamples * kRate, 5 * std::sqrt(variance / kSamples));
  EXPECT_NEAR(square / kSamples - mean * mean, variance, 5 * variance * std::sqrt(2.5 / kSamples));
  for (const int count : counts)
    EXPECT_NEAR(count, kSamples * kRate, 5 * std::sqrt(kSamples * kRate * (1 - kRate)));
  const double none = std::pow(1 - kRate, kExamples);
  EXPECT_NEAR(empty, kSamples * none, 5 * std::sqrt(kSamples * none));
  const double pairs = kSamples * (kExamples - 1) * kRate * kRate;
  EXPECT_NEAR(together, pairs, 5 * std::sqrt(pairs * 1.2));
}

TEST(PoissonSample, AllAndNobody) {
  privacy::PoissonSample all(4, 1.0, Random(1, Stream::data_order));
  EXPECT_THAT(all.next(), ::testing::ElementsAre(0, 1, 2, 3));
  privacy::PoissonSample nobody(4, 0.0, Random(1, Stream::data_order));
  EXPECT_THAT(nobody.next(), ::testing::IsEmpty());
  EXPECT_DOUBLE_EQ(privacy::sample_rate(10, 40), 0.25);
  EXPECT_DOUBLE_EQ(privacy::sample_rate(100, 40), 1.0);
  EXPECT_DOUBLE_EQ(privacy::sample_rate(100, 0), 0.0);
}

// Batches of one in a hundred examples are empty in (1 - 1/100)^100 = 37 % of the steps; all of them are
// steps, and as noise is in each, none leaves the parameter where it was.
TEST(PrivateTraining, EmptyBatchesStepOnNoise) {
  Recipe recipe{.steps = 40, .batch_size = 1, .learning_rate = 0.1};
  recipe.privacy.example_clip = 1.0;
  recipe.privacy.example_noise = 2.0;
  const Trained done = train(std::vector<std::vector<float>>(100, {1.0F, 0.5F}), recipe);
  EXPECT_EQ(done.steps, 40U);
  EXPECT_LT(done.batches.size(), 40U);
  EXPECT_EQ(done.loss_count, 0U) << "the loss of private steps is nobody's business";
}

// The secret decides sample and noise; where it is the same, so is everything.
TEST(PrivateTraining, IsKeyedByTheSecret) {
  Recipe recipe{.steps = 5, .batch_size = 10, .learning_rate = 0.1};
  recipe.privacy.example_clip = 1.0;
  recipe.privacy.example_noise = 1.0;
  const std::vector<std::vector<float>> rows(40, {1.0F, 0.5F});
  const Trained one = train(rows, recipe, 7);
  EXPECT_EQ(train(rows, recipe, 7).parameters, one.parameters);
  EXPECT_EQ(train(rows, recipe, 7).batches, one.batches);
  EXPECT_NE(train(rows, recipe, 8).parameters, one.parameters);
  EXPECT_NE(train(rows, recipe, 8).batches, one.batches);
}

// The correction comes after the division: 4 examples that pull with 1 (clipped to 0.5), 8 expected would
// halve it, q = 1 here: mean 0.5 down; the objective adds 3 in full.
TEST(PrivateTraining, TheCorrectionComesAfterNoiseAndDivision) {
  class AddsThree : public LocalObjective {
   public:
    void correct(TaskRun&, std::span<float> gradient) const override { gradient[0] += 3.0F; }
  };
  Recipe recipe{.steps = 1, .batch_size = 4, .learning_rate = 1.0};
  recipe.privacy.example_clip = 0.5;
  const Trained done = train(std::vector<std::vector<float>>(4, {1.0F, 1.0F}), recipe, 1, AddsThree());
  EXPECT_FLOAT_EQ(done.parameters[0], -(-0.5F + 3.0F));
}

// A batch layer that mixes is refused before anything moves.
TEST(PrivateTraining, RefusesModelsThatMixExamples) {
  const auto optimizer = OptimizerRegistry::instance().find("sgd", "optimizer").make(ConfigNode());
  Recipe recipe{.steps = 2, .batch_size = 4};
  recipe.privacy.example_clip = 1.0;
  NoiseTask task(model_with_data("resnet_with_batch_norm"), 4, recipe, optimizer.get());
  EXPECT_THROW(LocalObjective().work("train", task.run), UserError);
  EXPECT_EQ(task.parameters, task.start);
}

// Nobody is covered who has not said so; the gaps of those who have are theirs.
TEST(PrivacyGap, IsOpenUnlessAnObjectiveClosesIt) {
  class OfItsOwn : public LocalObjective {};
  EXPECT_NE(OfItsOwn().privacy_gap(PrivacyUnit::example), "");
  EXPECT_NE(OfItsOwn().privacy_gap(PrivacyUnit::client), "");
  const auto gap = [](const char* name, const char* settings, PrivacyUnit unit) {
    return make_algorithm(name, settings).objective->privacy_gap(unit);
  };
  for (const char* covered :
       {"fedavg", "fedprox", "fedit", "ffa_lora", "lora_fair", "rolora", "flora", "hetlora", "fedex_lora",
        "flexlora", "fedsvd", "fedsa_lora", "local_only", "centralised", "fedadam"})
    EXPECT_EQ(gap(covered, "{}", PrivacyUnit::example), "") << covered;
  EXPECT_EQ(gap("scaffold", "{option: 2}", PrivacyUnit::example), "");
  EXPECT_THAT(gap("scaffold", "{option: 1}", PrivacyUnit::example), ::testing::HasSubstr("option: 2"));
  EXPECT_THAT(gap("scaffold", "{option: 2}", PrivacyUnit::client), ::testing::HasSubstr("control variate"));
  EXPECT_THAT(gap("hetlora", "{}", PrivacyUnit::client), ::testing::HasSubstr("lambda: 0"));
}

}  // namespace
}  // namespace fedloom::testing
