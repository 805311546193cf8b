// Bases, thresholds and sketches against vectors worked out apart from them, and the laws that hold for any
// input.
#include "algorithms/continual/basis.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "algorithms/continual/sketch.hpp"
#include "core/random.hpp"
#include "models/symmetric_eigen.hpp"
#include "tests/support/stage_hand.hpp"
#include "tests/support/vectors.hpp"

namespace fedloom::subspace {
namespace {

using testing::read_vectors;

class SubspaceVectors : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto found = read_vectors("async-continual.json");
    if (!found) GTEST_SKIP() << "async-continual.json is not here (FEDLOOM_VECTORS, FEDLOOM_DATA)";
    for (const auto& vector : found->at("vectors")) vectors_[vector.at("id")] = vector;
  }
  const nlohmann::json& in(const std::string& id) const { return vectors_.at(id).at("inputs"); }
  const nlohmann::json& out(const std::string& id) const { return vectors_.at(id).at("expected"); }

  std::map<std::string, nlohmann::json> vectors_;
};

double sum_of(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double value : values) sum += value;
  return sum;
}

/// How many vectors a strategy protects of the one layer "fc" after a stage whose sketch has these energies,
/// out of inputs with `total` energy.
double protected_by(const std::string& strategy, const std::string& settings,
                    const std::vector<double>& energies, double total, double mean_ratio,
                    std::uint64_t stage) {
  const std::size_t d = energies.size();
  Layout::Builder builder;
  builder.add("fc.weight", {1, static_cast<std::int64_t>(d)});
  ServerState state;
  state.model = ParameterVector(builder.build());
  const Algorithm algorithm = AlgorithmRegistry::instance()
                                  .find(strategy, "strategy")
                                  .make(ConfigNode::from_text(settings, "test.yaml"));
  algorithm.strategy->start(state, {1, 1, 0.0, 10});
  const ProtectedLayer layer{"fc", state.model.layout().at("fc.weight"), 1, d};
  Phase phase;
  phase.slots = sketch_slots({layer}, {});
  const std::size_t columns = phase.slots[0].size / d;
  FloatBuffer sketch(phase.slots[0].size, 0.0F);  // transposed: row i, column i holds what direction i weighs
  for (std::size_t i = 0; i < d && i < columns; ++i)
    sketch[i * d + i] = static_cast<float>(std::sqrt(energies[i]));
  Update update;
  update.slots.push_back(Payload::from(layer.slot("sketch"), Tensor::vector(sketch)));
  PhaseSum sum = empty_sum(phase, 1.0, 1.0, 1);
  const Contribution one{&update, 1};
  algorithm.strategy->fold({&one, 1}, sum);
  sum.accepted = 1;
  sum.scalars = {{"sketched", 1.0},
                 {layer.slot("energy"), total},
                 {layer.slot("rest"), sum_of(energies)},
                 {layer.slot("ratio"), mean_ratio}};
  WindowSums window;
  window.window = 1;
  window.stage = {stage, 10, false, true};
  window.phases.emplace_back("sketch", std::move(sum));
  return algorithm.strategy->advance(state, window).at("vectors.fc");
}

TEST_F(SubspaceVectors, StrategiesProtectAsManyVectors) {
  for (const char* id : {"gpm_vs_fot_eps0.945", "gpm_vs_fot_eps0.96"}) {
    SCOPED_TRACE(id);
    const auto energies = in(id).at("residual_squared_singular_values").get<std::vector<double>>();
    const double total = in(id).at("total_energy");
    const double ratio = std::sqrt(sum_of(energies) / total);
    const std::string eps = fmt::format("eps: {}", in(id).at("eps").get<double>());
    EXPECT_EQ(protected_by("gpm", eps, energies, total, ratio, 2), out(id).at("k_gpm"));
    EXPECT_EQ(protected_by("fot", "{compat: repo, " + eps + "}", energies, total, ratio, 2),
              out(id).at("k_fot_repo"));
    EXPECT_EQ(protected_by("fot", "{ratio_power: 1, " + eps + "}", energies, total, ratio, 2),
              out(id).at("k_fot_repo"));
    EXPECT_EQ(protected_by("fot", eps, energies, total, ratio, 2), out(id).at("k_fot_energy"));
  }
  const auto first = in("gpm_first_task").at("squared_singular_values").get<std::vector<double>>();
  const std::string eps = fmt::format("eps: {}", in("gpm_first_task").at("eps").get<double>());
  EXPECT_EQ(protected_by("gpm", eps, first, sum_of(first), 1.0, 1), out("gpm_first_task").at("k_paper"));
  EXPECT_EQ(protected_by("gpm", "{criterion: code, " + eps + "}", first, sum_of(first), 1.0, 1),
            out("gpm_first_task").at("k_repo_code"));
  // The code's rule is of the first stage alone.
  EXPECT_EQ(protected_by("gpm", "{criterion: code, " + eps + "}", first, sum_of(first), 1.0, 2),
            out("gpm_first_task").at("k_paper"));
  const auto rest =
      in("fot_min_one_vector").at("residual_squared_singular_values").get<std::vector<double>>();
  const double ratio = in("fot_min_one_vector").at("ratio");
  const double total = sum_of(rest) / (ratio * ratio);
  EXPECT_EQ(protected_by("fot", "{compat: repo, eps: 0.9}", rest, total, ratio, 2), 1.0);
  EXPECT_EQ(protected_by("fot", "{compat: repo, eps: 0.9, least_vectors: 0}", rest, total, ratio, 2), 0.0);
  EXPECT_EQ(protected_by("fot", "{eps: 0.9}", rest, total, ratio, 2), 0.0);
}

// Energies 5, 3, 1, 1 of 10 in all: 0.75 is reached by two (0.8), 0.75 + 0.1 by three (0.9).
TEST(SubspaceStages, EpsGrowsFromStageToStage) {
  for (const char* strategy : {"fot", "gpm"}) {
    const std::string settings = "{eps: 0.75, eps_increment: 0.05}";
    EXPECT_EQ(protected_by(strategy, settings, {5, 3, 1, 1}, 10, 1.0, 1), 2.0) << strategy;
    EXPECT_EQ(protected_by(strategy, settings, {5, 3, 1, 1}, 10, 1.0, 3), 3.0) << strategy;
  }
}

TEST_F(SubspaceVectors, GpmsFirstStage) {
  const auto energies = in("gpm_first_task").at("squared_singular_values").get<std::vector<double>>();
  const double eps = in("gpm_first_task").at("eps");
  const std::size_t k = count_reaching(energies, 0.0, sum_of(energies), eps);
  EXPECT_EQ(k, out("gpm_first_task").at("k_paper"));
}

// eps' = (r - (1 - eps)) / r with r the ratio of norms (the authors' code) or of energies.
TEST_F(SubspaceVectors, FotsThresholdBesideGpms) {
  for (const char* id : {"gpm_vs_fot_eps0.945", "gpm_vs_fot_eps0.96"}) {
    SCOPED_TRACE(id);
    const auto energies = in(id).at("residual_squared_singular_values").get<std::vector<double>>();
    const double total = in(id).at("total_energy");
    const double eps = in(id).at("eps");
    const double rest = sum_of(energies);
    EXPECT_EQ(count_reaching(energies, total - rest, total, eps), out(id).at("k_gpm"));
    const double norms = std::sqrt(rest / total);
    EXPECT_NEAR(norms, out(id).at("fot_repo_ratio").get<double>(), 1e-9);
    const double repo_share = (norms - (1.0 - eps)) / norms;
    EXPECT_NEAR(repo_share, out(id).at("fot_repo_eps").get<double>(), 1e-9);
    EXPECT_EQ(count_above(energies, repo_share, 1), out(id).at("k_fot_repo"));
    const double energy_share = (rest / total - (1.0 - eps)) / (rest / total);
    EXPECT_NEAR(energy_share, out(id).at("fot_energy_eps").get<double>(), 1e-9);
    EXPECT_EQ(count_above(energies, energy_share, 0), out(id).at("k_fot_energy"));
  }
}

TEST_F(SubspaceVectors, TheCodeAddsAtLeastOneVector) {
  const auto energies =
      in("fot_min_one_vector").at("residual_squared_singular_values").get<std::vector<double>>();
  const double ratio = in("fot_min_one_vector").at("ratio");
  const double share = (ratio - (1.0 - in("fot_min_one_vector").at("eps").get<double>())) / ratio;
  EXPECT_NEAR(share, out("fot_min_one_vector").at("new_eps").get<double>(), 1e-9);
  EXPECT_EQ(count_above(energies, share, 1), out("fot_min_one_vector").at("k"));
  EXPECT_EQ(count_above(energies, share, 0), 0U);  // without the rule: nothing is missing, nothing joins
}

TEST_F(SubspaceVectors, ProjectionTakesTheSpanOutOfEveryRow) {
  FloatBuffer rows;
  for (const auto& row : in("fot_fedproject_linear").at("avg_update_W_old_minus_W_avg"))
    for (const auto& value : row) rows.push_back(value.get<float>());
  FloatBuffer basis;
  for (const auto& value : in("fot_fedproject_linear").at("basis_columns").at(0))
    basis.push_back(value.get<float>());
  remove_span(rows, basis, 3);
  std::size_t i = 0;
  for (const auto& row : out("fot_fedproject_linear").at("projected_update"))
    for (const auto& value : row) EXPECT_NEAR(rows[i++], value.get<float>(), 1e-6F);
}

// Y_i = A_i W_i of two clients through the server's sum, against [A_1 A_2] [W_1; W_2] worked out apart.
TEST_F(SubspaceVectors, SketchesAddUp) {
  const nlohmann::json& input = in("fot_sketch_sum");
  const ProtectedLayer layer{"fc", {"fc.weight", {1, 2}, Role::trained, 0, 2}, 1, 2};
  SketchSettings settings;
  settings.columns = 0.5;  // m = 1
  Phase phase;
  phase.slots = sketch_slots({layer}, settings);
  PhaseSum sum = empty_sum(phase, 1.0, 2.0, 2);
  std::vector<Update> updates(2);
  for (std::size_t client = 0; client < 2; ++client) {
    const nlohmann::json& a = input.at(client == 0 ? "A1" : "A2");
    const nlohmann::json& omega = input.at(client == 0 ? "Omega1" : "Omega2");
    FloatBuffer y(2, 0.0F);
    for (std::size_t row = 0; row < 2; ++row)
      for (std::size_t j = 0; j < omega.size(); ++j)
        y[row] += a.at(row).at(j).get<float>() * omega.at(j).at(0).get<float>();
    updates[client].slots.push_back(Payload::from(layer.slot("sketch"), Tensor::vector(y)));
  }
  const Algorithm algorithm = AlgorithmRegistry::instance().find("fot", "strategy").make(ConfigNode());
  const std::vector<Contribution> both{{&updates[0], 5}, {&updates[1], 7}};  // weights do not matter
  algorithm.strategy->fold(both, sum);
  const SlotSum& total = sum.slot(layer.slot("sketch"));
  for (std::size_t row = 0; row < 2; ++row)
    EXPECT_NEAR(total.total(row), out("fot_sketch_sum").at("Y").at(row).at(0).get<double>(), 1e-9);
}

/// Writes down the rows that a layer's observer is given.
class RowRecorder final : public LayerObserver {
 public:
  void layer_input(std::string_view, std::span<const float> values, std::size_t rows,
                   std::size_t width) override {
    for (std::size_t i = 0; i < rows; ++i)
      seen.emplace_back(values.begin() + static_cast<std::ptrdiff_t>(i * width),
                        values.begin() + static_cast<std::ptrdiff_t>((i + 1) * width));
  }
  std::vector<std::vector<float>> seen;
};

TEST_F(SubspaceVectors, ConvolutionsShowPatchesInTheOrderOfTheirWeights) {
  const auto model = testing::written_model(
      "[{conv2d: {channels: 1, kernel: 2, padding: 0}}, flatten, dense]", DataSpec{{2, 3, 3}, 2, 0});
  FloatBuffer image;
  for (const auto& channel : in("im2col_order").at("image_chw"))
    for (const auto& row : channel)
      for (const auto& value : row) image.push_back(value.get<float>());
  FloatBuffer parameters(model->layout()->size(), 0.0F);
  Batch batch;
  batch.size = 1;
  batch.features = image.data();
  RowRecorder recorder;
  const auto workspace = model->workspace(1);
  model->forward(parameters, batch, *workspace, {.observer = &recorder});
  const auto expected = out("im2col_order").at("columns").get<std::vector<std::vector<float>>>();
  ASSERT_GE(recorder.seen.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(recorder.seen[i], expected[i]) << "patch " << i;
}

// ---- laws ----

double largest_deviation_from_orthonormal(const Tensor& basis, std::size_t d) {
  const std::size_t k = basis.data.size() / d;
  double worst = 0.0;
  for (std::size_t i = 0; i < k; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      double dot = 0.0;
      for (std::size_t x = 0; x < d; ++x)
        dot += static_cast<double>(basis.data[i * d + x]) * static_cast<double>(basis.data[j * d + x]);
      worst = std::max(worst, std::abs(dot - (i == j ? 1.0 : 0.0)));
    }
  return worst;
}

TEST(Basis, StaysOrthonormalAndWithinItsWidth) {
  constexpr std::size_t kWidth = 40;
  Random random(3, Stream::strategy);
  Tensor basis{{0, 0}, {}};
  for (int stage = 0; stage < 20; ++stage) {
    std::vector<double> directions(3 * kWidth);
    for (double& value : directions) value = random.normal();
    // The third lies in the span of the first two: it adds nothing.
    for (std::size_t x = 0; x < kWidth; ++x)
      directions[2 * kWidth + x] = directions[x] - 2.0 * directions[kWidth + x];
    const std::size_t before = basis.data.size() / kWidth;
    basis = grown(basis, directions, kWidth);
    EXPECT_EQ(basis.data.size() / kWidth, std::min<std::size_t>(before + 2, kWidth)) << stage;
    EXPECT_LT(largest_deviation_from_orthonormal(basis, kWidth), 1e-5);
  }
  EXPECT_EQ(basis.shape, (std::vector<std::int64_t>{40, 40}));
}

TEST(Basis, WhatLiesInItIsNotAddedAgain) {
  const Tensor basis{{1, 2}, {0.6F, 0.8F}};
  EXPECT_EQ(grown(basis, std::vector<double>{6.0, 8.0}, 2), basis);
  EXPECT_EQ(grown(basis, {}, 2), basis);
}

TEST(Basis, RemovingASpanLeavesWhatIsOutsideOfIt) {
  Random random(4, Stream::strategy);
  std::vector<double> directions(5 * 16);
  for (double& value : directions) value = random.normal();
  const Tensor basis = grown(Tensor{{0, 0}, {}}, directions, 16);
  FloatBuffer inside(16);
  for (std::size_t x = 0; x < 16; ++x) inside[x] = static_cast<float>(directions[x] + directions[32 + x]);
  remove_span(inside, basis.data, 16);
  for (const float value : inside) EXPECT_NEAR(value, 0.0F, 1e-5F);
}

TEST(Threshold, NothingIsCountedWhereNothingIs) {
  EXPECT_EQ(count_above(std::vector<double>{0.0, 0.0}, 0.9, 1), 0U);
  EXPECT_EQ(count_above(std::vector<double>{2.0, 1.0, 1.0}, 0.5, 0), 2U);  // 2 / 4 is not above a half
  EXPECT_EQ(count_above(std::vector<double>{2.0, 1.0, 1.0}, 1.0, 0), 3U);  // never above: all of them
  EXPECT_EQ(count_reaching(std::vector<double>{2.0, 1.0, 1.0}, 0.0, 4.0, 0.5), 1U);
  EXPECT_EQ(count_reaching(std::vector<double>{2.0, 1.0, 1.0}, 4.0, 8.0, 0.5), 0U);
}

TEST(Sketch, HasAsManyColumnsAsAskedFor) {
  ProtectedLayer dense{"fc", {"fc.weight", {5, 12}, Role::trained, 0, 60}, 5, 12};
  ProtectedLayer conv{"conv", {"conv.weight", {4, 3, 2, 2}, Role::trained, 0, 48}, 4, 12};
  SketchSettings settings;
  EXPECT_EQ(settings.columns_of(dense), 12U);
  settings.dense_columns = 5.0;
  EXPECT_EQ(settings.columns_of(dense), 60U);
  EXPECT_EQ(settings.columns_of(conv), 12U);
  settings.most_columns = 20;
  EXPECT_EQ(settings.columns_of(dense), 20U);
  settings.columns = 0.01;
  EXPECT_EQ(settings.columns_of(conv), 1U);
}

// r = (10 * 0.5 + 30 * 0.9) / 40 = 0.8 by examples, whatever the energies; those are added up apart.
TEST(Spectrum, AveragesRatiosByExamples) {
  const ProtectedLayer layer{"fc", {"fc.weight", {1, 2}, Role::trained, 0, 2}, 1, 2};
  Phase phase;
  phase.slots = sketch_slots({layer}, SketchSettings());
  PhaseSum sum = empty_sum(phase, 1.0, 2.0, 2);
  sum.scalars = {{"sketched", 40.0}, {"ratio.fc", 10 * 0.5 + 30 * 0.9}, {"energy.fc", 7.0}, {"rest.fc", 2.0}};
  const LayerSpectrum spectrum = spectrum_of(sum, layer);
  EXPECT_DOUBLE_EQ(spectrum.mean_ratio, 0.8);
  EXPECT_DOUBLE_EQ(spectrum.energy, 7.0);
  EXPECT_DOUBLE_EQ(spectrum.rest, 2.0);
  EXPECT_EQ(count_above(spectrum.energies, 0.9, 1), 0U);  // nobody has sent anything: there is nothing to add
}

// G of a convolution (1 output, 2 channels, 1 x 2 kernel) is a row of 4 in the order (channel, row, column).
// With U = (0, 0, 0.6, 0.8), G U = 3 * 0.6 + 4 * 0.8 = 5: 5 U is taken out, (1, 2, 3 - 3, 4 - 4) is left.
TEST(Basis, RowsOfConvolutionsArePatches) {
  FloatBuffer rows{1.0F, 2.0F, 3.0F, 4.0F};
  remove_span(rows, FloatBuffer{0.0F, 0.0F, 0.6F, 0.8F}, 4);
  EXPECT_FLOAT_EQ(rows[0], 1.0F);
  EXPECT_FLOAT_EQ(rows[1], 2.0F);
  EXPECT_NEAR(rows[2], 0.0F, 1e-6F);
  EXPECT_NEAR(rows[3], 0.0F, 1e-6F);
}

// The squared singular values of diag(3, 2) [V] are 9 and 4 whatever the rotation V.
TEST(Spectrum, OfAKnownMatrix) {
  const double c = std::cos(0.3);
  const double s = std::sin(0.3);
  const FloatBuffer y{static_cast<float>(3 * c), static_cast<float>(-3 * s), static_cast<float>(2 * s),
                      static_cast<float>(2 * c)};
  const SymmetricEigen eigen = symmetric_eigen(gram_matrix(y, 2), 2);
  EXPECT_NEAR(eigen.values[0], 9.0, 1e-5);
  EXPECT_NEAR(eigen.values[1], 4.0, 1e-5);
  EXPECT_NEAR(std::abs(eigen.vectors[0]), 1.0, 1e-5);
  EXPECT_NEAR(std::abs(eigen.vectors[3]), 1.0, 1e-5);
}

}  // namespace
}  // namespace fedloom::subspace
