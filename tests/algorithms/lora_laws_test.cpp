// What must hold of the LoRA strategies on any input: where they agree, what they keep, what does not matter.
// Random factors, three clients of weights 1, 2, 3 unless said otherwise; expected values are formed here as
// dense products in double.
#include <cmath>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <Eigen/SVD>

#include "tests/support/lora_hand.hpp"

namespace fedloom::testing {
namespace {

using lora::Factors;
using lora::Matrix;

// Entries of the models are below 16, whose floats are 2^-20 apart; a few roundings add up.
constexpr double kFloat = 5e-6;
const LoraShape kShape{.layers = {{5, 7}, {6, 4}}, .rank = 2, .alpha = 3.0};
constexpr double kScale = 1.5;  // alpha / rank

/// A base, the factors that the round starts from, and those that three clients end with.
struct Scene {
  explicit Scene(std::uint64_t seed, LoraShape of = kShape) : shape(std::move(of)) {
    Random random(seed, Stream::strategy);
    for (const auto& [outputs, inputs] : shape.layers) {
      bases.push_back(random_matrix(random, outputs, inputs));
      starts.push_back(
          {random_matrix(random, shape.rank, inputs), random_matrix(random, outputs, shape.rank)});
    }
    for (ClientId k = 0; k < 3; ++k) {
      LoraHand::End end{k, k + 1, {}};
      for (const auto& [outputs, inputs] : shape.layers)
        end.factors.push_back(
            {random_matrix(random, shape.rank, inputs), random_matrix(random, outputs, shape.rank)});
      ends.push_back(std::move(end));
    }
  }
  LoraHand hand(const std::string& algorithm, const std::string& settings = "{}") const {
    LoraHand hand(algorithm, settings, shape);
    for (std::size_t i = 0; i < bases.size(); ++i) hand.begin_with(i, bases[i], starts[i]);
    return hand;
  }
  double share(std::size_t k) const {
    double total = 0.0;
    for (const LoraHand::End& end : ends) total += static_cast<double>(end.examples);
    return static_cast<double>(ends.at(k).examples) / total;
  }
  /// W + s sum p_k B_k A_k.
  Matrix ideal(std::size_t layer) const {
    Matrix sum = bases[layer];
    for (std::size_t k = 0; k < ends.size(); ++k)
      sum += share(k) * shape.alpha / static_cast<double>(shape.rank) * ends[k].factors[layer].product();
    return sum;
  }

  LoraShape shape;
  std::vector<Matrix> bases;
  std::vector<Factors> starts;
  std::vector<LoraHand::End> ends;
};

struct Method {
  std::string algorithm;
  std::string settings = "{}";
};

// FedSA-LoRA has no common model, and HetLoRA has weights of its own.
std::vector<Method> averaging_both() {
  return {{"fedit"},
          {"fedex_lora"},
          {"flora"},
          {"flexlora"},
          {"lora_fair"},
          {"lora_fair", "cosine: columns"},
          {"lora_fair", "{solver: closed_form, lambda: 0.1}"}};
}

void expect_ideal(const Scene& scene, const Method& method) {
  LoraHand hand = scene.hand(method.algorithm, method.settings);
  const auto metrics = hand.round(scene.ends);
  for (std::size_t i = 0; i < scene.bases.size(); ++i)
    EXPECT_LE(distance(hand.server().effective(i), scene.ideal(i)), kFloat)
        << method.algorithm << " " << method.settings;
  EXPECT_NEAR(metrics.at("aggregation_error"), 0.0, 10 * kFloat) << method.algorithm;
}

TEST(LoraLaws, OneFirstFactorForAllMakesEveryMethodExact) {
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    Scene scene(seed);
    for (LoraHand::End& end : scene.ends)
      for (std::size_t i = 0; i < scene.starts.size(); ++i) end.factors[i].a = scene.starts[i].a;
    for (const Method& method : averaging_both()) expect_ideal(scene, method);
    for (const char* freezes : {"ffa_lora", "fedsvd", "rolora"}) expect_ideal(scene, {freezes});
  }
}

TEST(LoraLaws, OneSecondFactorForAllMakesEveryMethodExact) {
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    Scene scene(seed);
    for (LoraHand::End& end : scene.ends)
      for (std::size_t i = 0; i < scene.starts.size(); ++i) end.factors[i].b = scene.starts[i].b;
    for (const Method& method : averaging_both()) expect_ideal(scene, method);
    // RoLoRA trains the first factor in its even rounds.
    LoraHand rolora = scene.hand("rolora");
    LoraHand::End nothing{9, 1, scene.starts};
    rolora.round({nothing});
    const auto metrics = rolora.round(scene.ends);
    for (std::size_t i = 0; i < scene.bases.size(); ++i)
      EXPECT_LE(distance(rolora.server().effective(i), scene.ideal(i)), kFloat);
    EXPECT_NEAR(metrics.at("aggregation_error"), 0.0, 10 * kFloat);
  }
}

TEST(LoraLaws, OneClientIsNotAveragedWithAnybody) {
  Scene scene(4);
  scene.ends.resize(1);
  for (const Method& method : averaging_both()) expect_ideal(scene, method);
  expect_ideal(scene, {"hetlora"});
  for (std::size_t i = 0; i < scene.starts.size(); ++i) scene.ends[0].factors[i].a = scene.starts[i].a;
  for (const char* freezes : {"ffa_lora", "fedsvd", "rolora"}) expect_ideal(scene, {freezes});
}

TEST(LoraLaws, FedExAndFLoraAreExactOnAnyInput) {
  for (std::uint64_t seed = 10; seed < 20; ++seed)
    for (const Method& method : {Method{"fedex_lora"}, Method{"flora"}}) expect_ideal(Scene(seed), method);
}

// The residual of R as two sides has rank (K - 1) r = 4; at rank 3 something is lost, which is then reported.
TEST(LoraLaws, FedExTruncatesTheResidualToItsBestApproximation) {
  const Scene scene(5, {.layers = {{5, 7}}, .rank = 2, .alpha = 3.0});
  for (const int rank : {1, 2, 3, 4, 5}) {
    LoraHand hand = scene.hand("fedex_lora", "truncate: " + std::to_string(rank));
    const auto metrics = hand.round(scene.ends);
    const Matrix residual = scene.ideal(0) - scene.bases[0] - kScale * hand.server().factors().product();
    const Eigen::VectorXd values =
        Eigen::JacobiSVD<Eigen::MatrixXd>(Eigen::MatrixXd(residual)).singularValues();
    const double lost = rank < values.size() ? values.tail(values.size() - rank).norm() : 0.0;
    EXPECT_NEAR(metrics.at("aggregation_error"), lost, 10 * kFloat) << rank;
    EXPECT_EQ(lost > 0.01, rank < 4);
  }
}

// The residual of the second layer, 6 x 4, has rank 4 at most, that of the first 5: one rank serves all
// layers.
TEST(LoraLaws, FedExTruncatesLayersOfDifferentSizesAlike) {
  Scene scene(6, {.layers = {{8, 9}, {6, 4}, {3, 7}}, .rank = 3, .alpha = 3.0});
  LoraHand hand = scene.hand("fedex_lora", "truncate: 5");
  const auto metrics = hand.round(scene.ends);
  EXPECT_GT(metrics.at("aggregation_error"), 0.01);
  for (const std::size_t whole : {1U, 2U})
    EXPECT_LE(distance(hand.server().effective(whole), scene.ideal(whole)), kFloat);
}

TEST(LoraLaws, FlexLoraAtFullRankIsTheIdeal) {
  Scene scene(7, {.layers = {{4, 6}, {7, 4}}, .rank = 4, .alpha = 3.0});
  expect_ideal(scene, {"flexlora"});
}

// (B_i - B_j)(A_i - A_j), weighed by p_i p_j: what FedIT loses, and what nobody else here does.
TEST(LoraLaws, FedItLosesTheProductsOfDifferences) {
  for (const std::uint64_t seed : {1U, 2U}) {
    const Scene scene(seed);
    double square = 0.0;
    for (std::size_t layer = 0; layer < scene.bases.size(); ++layer) {
      Matrix lost = Matrix::Zero(scene.bases[layer].rows(), scene.bases[layer].cols());
      for (std::size_t i = 0; i < 3; ++i)
        for (std::size_t j = i + 1; j < 3; ++j) {
          const Factors& x = scene.ends[i].factors[layer];
          const Factors& y = scene.ends[j].factors[layer];
          lost += scene.share(i) * scene.share(j) * (x.b - y.b) * (x.a - y.a);
        }
      square += lost.squaredNorm();
    }
    EXPECT_NEAR(scene.hand("fedit").round(scene.ends).at("aggregation_error"), kScale * std::sqrt(square),
                10 * kFloat);
    EXPECT_GT(square, 0.1);
    for (const char* exact : {"ffa_lora", "rolora", "fedsvd", "fedex_lora", "flora"})
      EXPECT_NEAR(scene.hand(exact).round(scene.ends).at("aggregation_error_relative"), 0.0, kFloat) << exact;
    for (const char* corrected : {"lora_fair"})
      EXPECT_LT(
          scene.hand(corrected, "{solver: closed_form, lambda: 0}").round(scene.ends).at("aggregation_error"),
          kScale * std::sqrt(square));
  }
}

TEST(LoraLaws, FedSvdKeepsTheProductOverRounds) {
  Scene scene(8);
  LoraHand hand = scene.hand("fedsvd");
  for (int round = 0; round < 3; ++round) {
    std::vector<Factors> before;
    for (std::size_t i = 0; i < 2; ++i) before.push_back(hand.server().factors(i));
    hand.round(scene.ends);
    for (std::size_t i = 0; i < 2; ++i) {
      Matrix expected = Matrix::Zero(scene.bases[i].rows(), scene.bases[i].cols());
      for (std::size_t k = 0; k < 3; ++k)
        expected += scene.share(k) * scene.ends[k].factors[i].b * before[i].a;
      const Factors after = hand.server().factors(i);
      EXPECT_LE(distance(after.product(), expected), 10 * kFloat);
      EXPECT_LE(distance(after.a * after.a.transpose(), Matrix::Identity(2, 2)), kFloat);
      EXPECT_LE(distance(hand.held_by(5).effective(i), scene.bases[i] + kScale * expected), 20 * kFloat);
    }
  }
}

// ---- what does not matter ----

std::vector<Method> all_methods() {
  std::vector<Method> methods = averaging_both();
  for (const char* more : {"ffa_lora", "fedsvd", "rolora", "fedsa_lora", "hetlora"})
    methods.push_back({more});
  methods.push_back({"hetlora", "weights: client"});
  return methods;
}

TEST(LoraLaws, WhichClientHasWhichNumberChangesNothing) {
  const Scene scene(9);
  for (const Method& method : all_methods()) {
    LoraHand one = scene.hand(method.algorithm, method.settings);
    one.round(scene.ends);
    Scene turned = scene;
    std::swap(turned.ends[0], turned.ends[2]);
    for (ClientId k = 0; k < 3; ++k) turned.ends[k].client = k;
    LoraHand other = turned.hand(method.algorithm, method.settings);
    other.round(turned.ends);
    for (std::size_t i = 0; i < scene.bases.size(); ++i)
      EXPECT_LE(distance(one.server().effective(i), other.server().effective(i)), kFloat)
          << method.algorithm << " " << method.settings;
  }
}

// A client of rank 1, and the same factors as rank 2 with a row and a column of zeros.
TEST(LoraLaws, PaddingWithZerosChangesNothing) {
  for (const char* algorithm : {"fedit", "flora", "hetlora", "flexlora"}) {
    Scene scene(11);
    scene.starts = {{Matrix::Zero(2, 7), Matrix::Zero(5, 2)}, {Matrix::Zero(2, 4), Matrix::Zero(6, 2)}};
    for (Factors& factors : scene.ends[0].factors) {
      factors.a.row(1).setZero();
      factors.b.col(1).setZero();
    }
    LoraHand padded = scene.hand(algorithm);
    padded.round(scene.ends);
    LoraHand cut = scene.hand(algorithm, "ranks: [1, 2, 2]");
    for (Factors& factors : scene.ends[0].factors) {
      // FlexLoRA scales by alpha / own rank, the others by the server's.
      const double ratio = std::string(algorithm) == "flexlora" ? 0.5 : 1.0;
      factors = {factors.a.topRows(1), ratio * factors.b.leftCols(1)};
    }
    cut.round(scene.ends);
    for (std::size_t i = 0; i < scene.bases.size(); ++i)
      EXPECT_LE(distance(padded.server().effective(i), cut.server().effective(i)), kFloat) << algorithm;
    const LoraHand::Held small = cut.held_by(0);
    EXPECT_EQ(small.factors().a.rows(), 1);
  }
}

// Clients without examples weigh nothing: alone, they move nothing, and must not wipe anything out either.
TEST(LoraLaws, ARoundWithoutExamplesLeavesTheModelAsItIs) {
  std::vector<Method> methods = all_methods();
  methods.push_back({"fedit", "ranks: [2, 1]"});
  methods.push_back({"flexlora", "ranks: [2, 1]"});
  for (const Method& method : methods) {
    if (method.algorithm == "hetlora") continue;  // weighs by norms
    Scene scene(12);
    LoraHand hand = scene.hand(method.algorithm, method.settings);
    LoraHand::End idle{0, 0, scene.starts};
    hand.round({idle});
    for (std::size_t i = 0; i < scene.bases.size(); ++i) {
      // FLoRA's factors live for one task, and this one's counted for nothing.
      const Matrix expected = method.algorithm == "flora"
                                  ? scene.bases[i]
                                  : Matrix(scene.bases[i] + kScale * scene.starts[i].product());
      EXPECT_LE(distance(hand.server().effective(i), expected), kFloat)
          << method.algorithm << method.settings;
    }
    EXPECT_GT(hand.held_by(1).factors().a.norm() + (method.algorithm == "flora" ? 1.0 : 0.0), 0.1);
  }
}

// ---- LoRA-FAIR ----

// From zeros, one step of rate 1 ends at D1 = -gradient(0), and a second one at D2 = D1 - gradient(D1).
TEST(LoraFairLaws, StepsAlongTheGradientOfEquationEight) {
  const Scene scene(13, {.layers = {{4, 5}}, .rank = 2, .alpha = 2.0});
  Matrix target = Matrix::Zero(4, 5);
  Factors mean{Matrix::Zero(2, 5), Matrix::Zero(4, 2)};
  for (std::size_t k = 0; k < 3; ++k) {
    const Factors& own = scene.ends[k].factors[0];
    target += scene.share(k) * own.product();
    mean.a += scene.share(k) * own.a;
    mean.b += scene.share(k) * own.b;
  }
  const double lambda = 0.3;
  const auto objective = [&](const Matrix& d, bool columns) {
    const Matrix product = (mean.b + d) * mean.a;
    double cosine = 0.0;
    if (columns)
      for (Eigen::Index j = 0; j < 5; ++j)
        cosine += target.col(j).dot(product.col(j)) / (target.col(j).norm() * product.col(j).norm()) / 5.0;
    else
      cosine = target.cwiseProduct(product).sum() / (target.norm() * product.norm());
    return 1.0 - cosine + lambda * d.squaredNorm();
  };
  const auto by_differences = [&](const Matrix& at, bool columns) {
    Matrix gradient(4, 2);
    for (Eigen::Index i = 0; i < gradient.size(); ++i) {
      Matrix up = at;
      Matrix down = at;
      up.data()[i] += 1e-5;
      down.data()[i] -= 1e-5;
      gradient.data()[i] = (objective(up, columns) - objective(down, columns)) / 2e-5;
    }
    return gradient;
  };
  for (const bool columns : {false, true}) {
    const auto after = [&](int steps) {
      LoraHand hand = scene.hand("lora_fair", fmt::format("{{cosine: {}, lambda: {}, lr: 1, steps: {}}}",
                                                          columns ? "columns" : "flattened", lambda, steps));
      hand.round(scene.ends);
      return Matrix(hand.server().factors().b - mean.b);
    };
    const Matrix first = after(1);
    EXPECT_LE(distance(-first, by_differences(Matrix::Zero(4, 2), columns)), kFloat) << columns;
    EXPECT_LE(distance(first - after(2), by_differences(first, columns)), kFloat) << columns;
    EXPECT_GT(first.norm(), 0.01);
  }
}

// GD multiplies what the cosine does not see by 1 - 2 lr lambda a step: at lambda = 1 Xavier noise is gone.
TEST(LoraFairLaws, XavierNoiseStaysUnlessLambdaIsLarge) {
  const Scene scene(14);
  const auto second = [&](const std::string& settings) {
    LoraHand hand = scene.hand("lora_fair", settings);
    hand.round(scene.ends);
    return hand.server().factors().b;
  };
  EXPECT_LE(distance(second("{init: xavier, lambda: 1}"), second("{lambda: 1}")), kFloat);
  EXPECT_GT(distance(second("{init: xavier, lambda: 0.01}"), second("{lambda: 0.01}")), 0.01);
  EXPECT_EQ(distance(second("init: xavier"), second("init: xavier")), 0.0) << "keyed by seed and round";
}

// A full-rank first factor: least squares with lambda = 0 reaches the ideal product (as in equation 8 it
// cannot by direction alone).
TEST(LoraFairLaws, ClosedFormAtFullRankIsTheIdeal) {
  expect_ideal(Scene(15, {.layers = {{6, 3}}, .rank = 3, .alpha = 3.0}),
               {"lora_fair", "{solver: closed_form, lambda: 0}"});
}

// ---- HetLoRA ----

TEST(HetLoraLaws, PrunesWhenTheTailFellAndNeverWithoutAStep) {
  const LoraShape shape{.layers = {{5, 7}, {6, 4}}, .rank = 4, .alpha = 4.0};
  for (std::uint64_t seed = 20; seed < 40; ++seed) {
    Scene scene(seed, shape);
    LoraHand hand = scene.hand("hetlora", "{gamma: 0.5, lambda: 0.01}");
    // Factors as they were sent: nothing fell.
    EXPECT_EQ(hand.run({0, 1, scene.starts}).scalars.count("pruned_rank"), 0U) << seed;
    for (Factors& factors : scene.starts) factors.b.col(3) *= 0.5;
    EXPECT_EQ(hand.run({0, 1, scene.starts}).scalars.at("pruned_rank"), 2.0);
    hand.round({{0, 1, scene.starts}, scene.ends[1]});
    EXPECT_EQ(hand.held_by(0).factors().a.rows(), 2);
    EXPECT_EQ(hand.held_by(3).factors().a.rows(), 4) << "the others keep their rank";
  }
}

}  // namespace
}  // namespace fedloom::testing
