// The LoRA strategies against vectors worked out apart from them (lora.json), through both real halves. Where
// a number is written here, the comment says how it comes about. The common input is p = (1/4, 3/4), A1 = [1
// 2], B1 = [1; 0], A2 = [3 -2], B2 = [0; 2]: all of it, and every sum of it over p, is exact in float.
#include <cmath>

#include <gtest/gtest.h>

#include "tests/support/lora_hand.hpp"
#include "tests/support/vectors.hpp"

namespace fedloom::testing {
namespace {

using lora::Factors;
using lora::Matrix;

// Entries of the models are at most 10, so a float is off by 2^-21 = 5e-7 at most.
constexpr double kFloat = 1e-6;

Matrix from_json(const nlohmann::json& rows) {
  Matrix out(static_cast<Eigen::Index>(rows.size()), static_cast<Eigen::Index>(rows.at(0).size()));
  for (Eigen::Index i = 0; i < out.rows(); ++i)
    for (Eigen::Index j = 0; j < out.cols(); ++j)
      out(i, j) = rows.at(static_cast<std::size_t>(i)).at(static_cast<std::size_t>(j)).get<double>();
  return out;
}

class LoraVectors : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto found = read_vectors("lora.json");
    if (!found) GTEST_SKIP() << "lora.json is not here (FEDLOOM_VECTORS, FEDLOOM_DATA)";
    vectors_ = *found;
  }
  const nlohmann::json& vector(const std::string& section, std::size_t index) const {
    return vectors_.at(section).at(index);
  }
  static Matrix out(const nlohmann::json& vector, const char* name) {
    return from_json(vector.at("out").at(name));
  }

  /// Clients 0 and 1 end with the factors of the vector; with `a0` where it has no A of their own.
  static std::vector<LoraHand::End> ends(const nlohmann::json& in) {
    const auto examples = [&](std::size_t k) {
      return static_cast<std::uint64_t>(std::lround(4.0 * in.at("p").at(k).get<double>()));
    };
    const auto a = [&](const char* name) { return from_json(in.contains(name) ? in.at(name) : in.at("A0")); };
    return {{0, examples(0), {{a("A1"), from_json(in.at("B1"))}}},
            {1, examples(1), {{a("A2"), from_json(in.at("B2"))}}}};
  }

  nlohmann::json vectors_;
};

LoraShape shape_of_rank(std::int64_t rank, double scale) {
  return {.layers = {{2, 2}}, .rank = rank, .alpha = scale * static_cast<double>(rank)};
}

TEST_F(LoraVectors, FedItAveragesFactorsAndReportsWhatThatLoses) {
  for (const std::size_t index : {0U, 1U}) {
    const auto& v = vector("fedit", index);
    LoraHand hand("fedit", "{}", shape_of_rank(1, 1.0));
    const auto metrics = hand.round(ends(v.at("in")));
    const Factors factors = hand.server().factors();
    if (v.at("out").contains("A_bar")) {
      EXPECT_LE(distance(factors.a, out(v, "A_bar")), kFloat);
      EXPECT_LE(distance(factors.b, out(v, "B_bar")), kFloat);
    }
    EXPECT_LE(distance(factors.product(), out(v, "BA_bar")), kFloat);
    EXPECT_NEAR(metrics.at("aggregation_error"), out(v, "residual").norm(), kFloat);
    EXPECT_NEAR(metrics.at("aggregation_error_relative"),
                out(v, "residual").norm() / out(v, "ideal_dW").norm(), kFloat);
  }
  EXPECT_EQ(vector("fedit", 0).at("out").at("residual_fro"), 1.875);
}

TEST_F(LoraVectors, FfaLoraIsExact) {
  const auto& v = vector("ffa_lora", 0);
  LoraHand hand("ffa_lora", "{}", shape_of_rank(1, 1.0));
  hand.begin_with(0, Matrix::Zero(2, 2), {from_json(v.at("in").at("A0")), Matrix::Zero(2, 1)});
  const auto metrics = hand.round(ends(v.at("in")));
  EXPECT_LE(distance(hand.server().factors().b, out(v, "B_bar")), kFloat);
  EXPECT_LE(distance(hand.server().factors().product(), out(v, "dW")), kFloat);
  EXPECT_LE(distance(out(v, "dW"), out(v, "ideal_dW")), 0.0);
  EXPECT_NEAR(metrics.at("aggregation_error"), 0.0, kFloat);
}

// Uploads are what a client would send after adding noise of this deviation to all that it trains.
TEST_F(LoraVectors, NoiseOnBothFactorsIsAmplified) {
  const auto& v = vector("dp_noise_amplification", 0);
  const Factors clean{from_json(v.at("in").at("A")), from_json(v.at("in").at("B"))};
  const double deviation = v.at("in").at("noise_std_per_entry");
  const LoraShape shape{.layers = {{3, 4}}, .rank = 2, .alpha = 2.0};
  for (const auto& [algorithm, expected] : std::map<std::string, double>{
           {"fedit", v.at("out").at("E_fro2_lora")}, {"ffa_lora", v.at("out").at("E_fro2_ffa")}}) {
    LoraHand hand(algorithm, "{}", shape);
    hand.begin_with(0, Matrix::Zero(3, 4), clean);
    Random random(5, Stream::strategy);
    constexpr int kDraws = 8000;
    double mean = 0.0;
    double square = 0.0;
    for (int draw = 0; draw < kDraws; ++draw) {
      const Factors noisy{clean.a + random_matrix(random, 2, 4, deviation),
                          clean.b + random_matrix(random, 3, 2, deviation)};
      hand.round({{0, 1, {noisy}}});
      const double error = (hand.server().factors().product() - clean.product()).squaredNorm();
      mean += error / kDraws;
      square += error * error / kDraws;
    }
    // Four standard errors of the mean.
    EXPECT_NEAR(mean, expected, 4.0 * std::sqrt((square - mean * mean) / kDraws)) << algorithm;
    EXPECT_LT(std::sqrt((square - mean * mean) / kDraws), 0.02 * expected);
  }
}

TEST_F(LoraVectors, FedExMovesTheBaseByTheResidual) {
  for (const std::size_t index : {0U, 1U}) {
    const auto& v = vector("fedex_lora", index);
    LoraHand hand("fedex_lora", "{}", shape_of_rank(1, v.at("in").at("s")));
    hand.begin_with(0, from_json(v.at("in").at("W0")), {Matrix::Zero(1, 2), Matrix::Zero(2, 1)});
    const auto metrics = hand.round(ends(v.at("in")));
    EXPECT_LE(distance(hand.server().base(), out(v, "W0_next")), kFloat);
    EXPECT_NEAR(metrics.at("aggregation_error"), 0.0, kFloat);
    const double scale = v.at("in").at("s");
    EXPECT_LE(distance((hand.server().base() - from_json(v.at("in").at("W0"))) / scale, out(v, "residual")),
              kFloat);
    if (index != 0) continue;
    EXPECT_LE(distance(hand.server().factors().a, out(v, "A_next")), kFloat);
    EXPECT_LE(distance(hand.server().factors().b, out(v, "B_next")), kFloat);
    EXPECT_LE(distance(hand.server().effective(), out(v, "W_effective")), kFloat);
    EXPECT_LE(distance(hand.held_by(7).effective(), out(v, "W_effective")), kFloat) << "at a client";
  }
}

TEST_F(LoraVectors, FLoraStacksWithTheWeightOnTheFirstFactor) {
  const auto& v = vector("flora", 0);
  const double scale = v.at("in").at("s");
  LoraHand hand("flora", "{}", shape_of_rank(1, scale));
  hand.begin_with(0, from_json(v.at("in").at("W0")), {matrix({{0.25, 0.5}}), Matrix::Zero(2, 1)});
  const auto metrics = hand.round(ends(v.at("in")));
  ASSERT_EQ(hand.patch.at(0).name, "left");
  ASSERT_EQ(hand.patch.at(1).name, "right");
  const auto as_matrix = [](const Payload& part, Eigen::Index rows, Eigen::Index columns) {
    Matrix out(rows, columns);
    for (Eigen::Index i = 0; i < out.size(); ++i)
      out.data()[i] = static_cast<double>(part.values()[static_cast<std::size_t>(i)]);
    return out;
  };
  EXPECT_LE(distance(as_matrix(hand.patch[0], 2, 2), out(v, "B_stack")), kFloat);
  EXPECT_LE(distance(as_matrix(hand.patch[1], 2, 2) / scale, out(v, "A_stack")), kFloat);
  EXPECT_LE(distance(hand.server().base(), out(v, "W0_next")), kFloat);
  EXPECT_LE(distance(hand.server().factors().b, out(v, "B_next")), 0.0);
  EXPECT_NEAR(metrics.at("aggregation_error"), 0.0, kFloat);
}

TEST_F(LoraVectors, FLoraStacksDifferentRanks) {
  const auto& v = vector("flora", 1);
  LoraHand hand("flora", "ranks: [1, 2]", shape_of_rank(2, 1.0));
  hand.round(ends(v.at("in")));
  EXPECT_LE(distance(hand.server().base(), out(v, "dW")), kFloat);
  ASSERT_EQ(hand.patch.at(1).values().size(), 6U);  // sum of ranks 3 times 2 inputs
  const Matrix stack = out(v, "A_stack");
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(hand.patch[1].values()[i], stack.data()[i], kFloat);
}

// Client 0 has rank 1, client 2 has rank 2 (and takes no part in the round). Scales are alpha / own rank.
TEST_F(LoraVectors, FlexLoraDealsOutTheBestApproximations) {
  const auto& v = vector("flexlora", 0);
  LoraHand hand("flexlora", "ranks: [1, 1, 2]", {.layers = {{2, 2}}, .rank = 2, .alpha = 1.0});
  const auto metrics = hand.round(ends(v.at("in")));
  const LoraHand::Held small = hand.held_by(0);
  ASSERT_EQ(small.factors().a.rows(), 1);
  EXPECT_LE(distance(small.scale * small.factors().product(), out(v, "rank1_product")), kFloat);
  EXPECT_LE(distance(small.factors().a.cwiseAbs(), out(v, "abs_A_r1")), kFloat);
  EXPECT_LE(distance(small.factors().b.cwiseAbs(), out(v, "abs_B_r1")), kFloat);
  const LoraHand::Held large = hand.held_by(2);
  ASSERT_EQ(large.factors().a.rows(), 2);
  EXPECT_LE(distance(large.scale * large.factors().product(), out(v, "rank2_product")), kFloat);
  EXPECT_LE(distance(hand.server().effective(), out(v, "M")), kFloat);
  EXPECT_NEAR(metrics.at("aggregation_error"), 0.0, 2 * kFloat);
  const auto& values = v.at("out").at("singular_values");
  for (Eigen::Index i = 0; i < 2; ++i)
    EXPECT_NEAR(large.scale * large.factors().b.col(i).norm(), values.at(static_cast<std::size_t>(i)),
                kFloat);
}

// Client 1 has rank 2: A = [3 -2; 0 1], B = [0 1; 2 0]. |B1 A1| = |[1 2; 0 0]| = sqrt 5, and B2 A2 =
// [0 1; 6 -4] has norm sqrt 53; the weights are these over their sum, and row 2 of A is client 1's alone.
TEST_F(LoraVectors, HetLoraWeighsByNormsOfProducts) {
  const double w1 = 0.234975429085;
  const double w2 = 0.765024570915;
  for (const char* weights : {"layer", "client"}) {
    LoraHand hand("hetlora", std::string("{ranks: [1, 2], weights: ") + weights + "}", shape_of_rank(2, 1.0));
    hand.round({{0, 1, {{matrix({{1, 2}}), matrix({{1}, {0}})}}},
                {1, 3, {{matrix({{3, -2}, {0, 1}}), matrix({{0, 1}, {2, 0}})}}}});
    EXPECT_LE(distance(hand.server().factors().a, matrix({{2.530049141829, -1.060098283658}, {0, w2}})),
              kFloat);
    EXPECT_LE(distance(hand.server().factors().b, matrix({{w1, w2}, {1.530049141829, 0}})), kFloat);
  }
}

// The penalty has degree 2 in the tail, so by Euler's theorem it is half the product of gradient and tail.
TEST_F(LoraVectors, HetLoraPullsOnTheTail) {
  const auto& v = vector("hetlora", 0);
  const Factors factors{from_json(v.at("in").at("A")), from_json(v.at("in").at("B"))};
  const double lambda = v.at("in").at("lambda");
  LoraHand hand("hetlora", "{gamma: 0.5, lambda: 0.01, min_rank: 1}",
                {.layers = {{2, 2}}, .rank = 4, .alpha = 4.0});
  hand.begin_with(0, Matrix::Zero(2, 2), factors);
  const LoraHand::Held held = hand.server();
  const FactorModel model(held.layout);
  FloatBuffer parameters = held.values;
  FloatBuffer gradient(parameters.size(), 0.0F);
  TaskRun run;
  run.model = &model;
  run.parameters = parameters;
  hand.objective().correct(run, gradient);
  const lora::Pair pair = hand.pairs()[0];
  const Factors pull = lora::factors_of(gradient, pair);
  const double first = v.at("out").at("tail_norm_A");
  const double second = v.at("out").at("tail_norm_B");
  Factors expected{Matrix::Zero(4, 2), Matrix::Zero(2, 4)};
  expected.a.bottomRows(2) = lambda * second / first * factors.a.bottomRows(2);
  expected.b.rightCols(2) = lambda * first / second * factors.b.rightCols(2);
  EXPECT_LE(distance(pull.a, expected.a), 1e-8);
  EXPECT_LE(distance(pull.b, expected.b), 1e-8);
  const double along = pull.a.cwiseProduct(factors.a).sum() + pull.b.cwiseProduct(factors.b).sum();
  EXPECT_NEAR(along / 2.0, v.at("out").at("penalty"), 1e-8);
}

TEST_F(LoraVectors, FedSaSharesTheFirstFactorAlone) {
  const auto& v = vector("fedsa_lora", 0);
  LoraHand hand("fedsa_lora", "{}", shape_of_rank(1, 1.0));
  hand.round(ends(v.at("in")));
  EXPECT_LE(distance(hand.server().factors().a, out(v, "A_bar")), kFloat);
  EXPECT_LE(distance(hand.held_by(0).effective(), out(v, "client1_dW")), kFloat);
  EXPECT_LE(distance(hand.held_by(1).effective(), out(v, "client2_dW")), kFloat);
  // New to the run: B = 0. The server never sees a B.
  EXPECT_LE(distance(hand.held_by(2).effective(), Matrix::Zero(2, 2)), 0.0);
  EXPECT_LE(distance(hand.server().factors().b, Matrix::Zero(2, 1)), 0.0);
}

// Averaging the B that FedSA-LoRA leaves with its clients as well is FedIT.
TEST_F(LoraVectors, FedSaWithSharedSecondFactorsIsFedIt) {
  const auto& v = vector("fedsa_lora", 1);
  LoraHand hand("fedit", "{}", shape_of_rank(1, 1.0));
  hand.round(ends(v.at("in")));
  EXPECT_LE(distance(hand.server().effective(), out(v, "dW")), kFloat);
}

// Round 2 trains A from the same B = [1/4; 3/2]: with A1 = [2 2], A2 = [0 4] the mean is [1/2 7/2].
TEST_F(LoraVectors, RoLoraTakesTurns) {
  const auto& v = vector("rolora", 0);
  LoraHand hand("rolora", "{}", shape_of_rank(1, 1.0));
  hand.begin_with(0, Matrix::Zero(2, 2), {from_json(v.at("in").at("A0")), Matrix::Zero(2, 1)});
  auto metrics = hand.round(ends(v.at("in")));
  EXPECT_LE(distance(hand.server().factors().b, out(v, "B_bar")), kFloat);
  EXPECT_LE(distance(hand.server().effective(), out(v, "dW")), kFloat);
  EXPECT_NEAR(metrics.at("aggregation_error"), 0.0, kFloat);
  const Matrix other = matrix({{9}, {9}});  // of the frozen factor: not trained, so ignored
  metrics = hand.round({{0, 1, {{matrix({{2, 2}}), other}}}, {1, 3, {{matrix({{0, 4}}), other}}}});
  EXPECT_LE(distance(hand.server().factors().a, matrix({{0.5, 3.5}})), kFloat);
  EXPECT_LE(distance(hand.server().effective(), matrix({{0.125, 0.875}, {0.75, 5.25}})), kFloat);
  EXPECT_NEAR(metrics.at("aggregation_error"), 0.0, kFloat);
}

TEST_F(LoraVectors, FedSvdKeepsTheProductAndMakesTheFirstFactorOrthonormal) {
  const auto& v = vector("fedsvd", 0);
  LoraHand hand("fedsvd", "{}", shape_of_rank(1, 1.0));
  const Factors mean{from_json(v.at("in").at("A0")), from_json(v.at("in").at("B_bar"))};
  hand.begin_with(0, Matrix::Zero(2, 2), {mean.a, Matrix::Zero(2, 1)});
  const auto metrics = hand.round({{0, 1, {mean}}});
  const Factors factors = hand.held_by(3).factors();
  EXPECT_LE(distance(factors.product(), out(v, "product")), kFloat);
  EXPECT_LE(distance(factors.a.cwiseAbs(), out(v, "abs_A")), kFloat);
  EXPECT_LE(distance(factors.b.cwiseAbs(), out(v, "abs_B")), kFloat);
  EXPECT_NEAR(factors.b.norm(), v.at("out").at("singular_value"), kFloat);
  EXPECT_NEAR(metrics.at("aggregation_error"), 0.0, kFloat);
}

// ---- LoRA-FAIR ----

class LoraFairVectors : public LoraVectors {
 protected:
  /// What the server adds to the mean of the second factors.
  static Matrix correction(const nlohmann::json& v, const std::string& settings,
                           std::map<std::string, double>* metrics = nullptr) {
    LoraHand hand("lora_fair", settings, shape_of_rank(1, 1.0));
    auto reported = hand.round(ends(v.at("in")));
    if (metrics != nullptr) *metrics = reported;
    EXPECT_LE(distance(hand.server().factors().a, matrix({{2.5, -1.0}})), kFloat) << "A is not corrected";
    return hand.server().factors().b - matrix({{0.25}, {1.5}});
  }
};

TEST_F(LoraFairVectors, DescendsAlongTheCosineOfWholeMatrices) {
  const auto& v = vector("lora_fair", 0);
  for (const int steps : {1, 10, 1000}) {
    std::map<std::string, double> metrics;
    const Matrix change = correction(v, "{lambda: 0.01, steps: " + std::to_string(steps) + "}", &metrics);
    EXPECT_LE(distance(change, out(v, ("dB_after_" + std::to_string(steps)).c_str())), kFloat) << steps;
    if (steps == 1000) {
      EXPECT_NEAR(metrics.at("cosine"), v.at("out").at("cos_flat_after_1000"), kFloat);
    }
  }
  EXPECT_LE(distance(correction(v, "{}"), out(v, "dB_after_1000")), kFloat) << "these are the defaults";
  EXPECT_LE(distance(correction(v, "steps: 0"), Matrix::Zero(2, 1)), 0.0) << "no step is FedIT";
  // lambda = 1, by the same descent in double: (-0.040871050564, 0.005676729747), cosine 0.965283536355.
  std::map<std::string, double> metrics;
  EXPECT_LE(distance(correction(v, "lambda: 1", &metrics), matrix({{-0.040871050564}, {0.005676729747}})),
            kFloat);
  EXPECT_NEAR(metrics.at("cosine"), 0.965283536355, kFloat);
}

TEST_F(LoraFairVectors, DescendsAlongTheMeanCosineOfColumns) {
  const auto& v = vector("lora_fair", 1);
  for (const int steps : {1, 10, 1000}) {
    std::map<std::string, double> metrics;
    const std::string settings = "{cosine: columns, lambda: 0.01, steps: " + std::to_string(steps) + "}";
    const Matrix change = correction(v, settings, &metrics);
    EXPECT_LE(distance(change, out(v, ("dB_after_" + std::to_string(steps)).c_str())), kFloat) << steps;
    if (steps == 1000) {
      EXPECT_NEAR(metrics.at("cosine"), v.at("out").at("cos_flat_after_1000"), kFloat);
    }
  }
}

TEST_F(LoraFairVectors, ClosedFormIsLeastSquares) {
  const auto& v = vector("lora_fair", 2);
  for (const char* lambda : {"0.0", "0.01", "1.0"}) {
    const Matrix change = correction(v, std::string("{solver: closed_form, lambda: ") + lambda + "}");
    EXPECT_LE(distance(change, out(v, (std::string("dB_lambda_") + lambda).c_str())), kFloat) << lambda;
  }
}

// At lambda = 0 long descent turns B' towards T A^T = (1/8, 57/4), where the cosine is largest.
TEST_F(LoraFairVectors, ReachesTheBestCosineOfRankOne) {
  const auto& v = vector("lora_fair", 3);
  std::map<std::string, double> metrics;
  const Matrix change = correction(v, "{lambda: 0, steps: 100000, lr: 0.05}", &metrics);
  EXPECT_NEAR(metrics.at("cosine"), v.at("out").at("max_cos"), kFloat);
  const Matrix b = change + matrix({{0.25}, {1.5}});
  const Matrix best = out(v, "T_AbarT");
  EXPECT_NEAR(b.cwiseProduct(best).sum() / (b.norm() * best.norm()), 1.0, kFloat);
  (void)correction(v, "{lambda: 0, steps: 0}", &metrics);
  EXPECT_NEAR(metrics.at("cosine"), v.at("out").at("cos_before"), kFloat);
}

// A full-rank A (r = inputs = 2) leaves nothing that least squares cannot reach: client 0 has A = I, B = [1
// 0; 0 0], client 1 A = [1 0; 0 2], B = [0 0; 0 1], p = 1/2 each. T = [1/2 0; 0 1]; means A = [1 0; 0 3/2]
// and B = [1/2 0; 0 1/2]; B' = T A^-1 = [1/2 0; 0 2/3], so D = [0 0; 0 1/6].
TEST(LoraFairAtFullRank, ClosedFormIsExact) {
  LoraHand hand("lora_fair", "{solver: closed_form, lambda: 0}", shape_of_rank(2, 1.0));
  const auto metrics = hand.round({{0, 1, {{matrix({{1, 0}, {0, 1}}), matrix({{1, 0}, {0, 0}})}}},
                                   {1, 1, {{matrix({{1, 0}, {0, 2}}), matrix({{0, 0}, {0, 1}})}}}});
  EXPECT_LE(distance(hand.server().factors().b, matrix({{0.5, 0}, {0, 2.0 / 3.0}})), kFloat);
  EXPECT_NEAR(metrics.at("aggregation_error"), 0.0, kFloat);
}

}  // namespace
}  // namespace fedloom::testing
