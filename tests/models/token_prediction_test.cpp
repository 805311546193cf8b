// The head that tells hidden tokens with the embedding at both ends: its numbers on a case small enough for
// paper, slopes, norms of single examples, and which positions it reads.
#include "models/layers/token_prediction.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "models/layers/attention.hpp"
#include "models/layers/dense.hpp"
#include "models/layers/embedding.hpp"
#include "models/layers/sequence_pooling.hpp"
#include "tests/models/sequence_scene.hpp"

namespace fedloom::testing {
namespace {

constexpr TokenPrediction kNine{.vocabulary = 9, .features = 4, .deviation = 1.0};

LayerRecipe prediction(TokenPrediction options, std::vector<LayerRecipe> body) {
  return token_prediction("embedding", "decoder.bias", options, std::move(body));
}

// E = (1 2), (3 -1), (0 1) and b = (0.5, 0, -1); tokens 2 0 1, of which position 1 is to be told.
//   h = E[0] = (1, 2);   l = E h + b = (5.5, 1, 1)
// With dl = (1, -1, 2): dh = E^T dl = (1 - 3 + 0, 2 + 1 + 2) = (-2, 5), which goes back to row 0 of E;
//   dE = dl h^T + that = (1 2), (-1 -2), (2 4) + (-2 5), 0, 0 = (-1 7), (-1 -2), (2 4);   db = dl
// |dE|^2 + |db|^2 = 1 + 49 + 1 + 4 + 4 + 16 + 1 + 1 + 4 = 81
TEST(TokenPrediction, IsWhatPaperGives) {
  SequenceScene scene(
      {.shape = {3}, .classes = 2, .vocabulary = 3, .predictions = 1},
      sequential(DataSpec{.shape = {3}, .classes = 2, .vocabulary = 3, .predictions = 1},
                 {prediction({.vocabulary = 3, .features = 2, .deviation = 1.0}, {chosen_positions(1)})}),
      1);
  ASSERT_EQ(scene.parameters.size(), 9U);
  scene.parameters = {1, 2, 3, -1, 0, 1, 0.5F, 0, -1};
  scene.tokens = {2, 0, 1};
  scene.places = {1};
  scene.factors = {1, -1, 2};
  EXPECT_THAT(scene.logits(0, 1), ::testing::ElementsAre(5.5F, 1.0F, 1.0F));
  std::vector<double> norms(1);
  EXPECT_THAT(scene.gradient(0, 1, {.example_square_norms = norms}),
              ::testing::ElementsAre(-1, 7, -1, -2, 2, 4, 1, -1, 2));
  EXPECT_DOUBLE_EQ(norms[0], 81.0);
}

class HiddenScene : public ::testing::Test {
 protected:
  static std::vector<LayerRecipe> body() {
    return {positional_embedding("pos_embed"),
            attention("attn", {.heads = 2, .norm = "norm1", .residual = true}), chosen_positions(2),
            dense("transform", {.outputs = 4, .per_position = true})};
  }

  explicit HiddenScene(const Adaptation& how = {})
      : scene({DataSpec{{7}, 2, 9}, how}, {prediction(kNine, body())}) {
    // Words at several places, two targets at one place, and targets whose word stands elsewhere.
    scene.tokens = {1, 2, 1, 1, 0, 2, 8, /**/ 3, 3, 3, 3, 3, 3, 3, /**/ 0, 1, 2, 3, 4, 5, 6};
    scene.places = {0, 4, /**/ 6, 6, /**/ 5, 1};
  }

  SequenceScene scene;
};

TEST_F(HiddenScene, GradientsAreSlopes) { scene.check_slopes(); }

TEST_F(HiddenScene, NormsAreThoseOfSingleExamples) { scene.check_examples(); }

TEST_F(HiddenScene, ReadsChosenPositionsOnly) {
  scene.mask.assign(21, 1);
  const std::vector<float> before = scene.logits(0, 3);
  ASSERT_EQ(before.size(), 3U * 2U * 9U);
  std::swap(scene.places[0], scene.places[1]);
  const std::vector<float> after = scene.logits(0, 3);
  for (std::size_t v = 0; v < 9; ++v) {
    EXPECT_EQ(after[v], before[9 + v]);
    EXPECT_EQ(after[9 + v], before[v]);
  }
  // A place is the same for both of its targets.
  for (std::size_t v = 18; v < 27; ++v) EXPECT_EQ(before[v], before[v + 9]);
}

// An adapted encoder: the table and the bias are frozen, what lies between goes on learning.
class FrozenTable : public HiddenScene {
 protected:
  FrozenTable() : HiddenScene({.method = Adaptation::Method::freeze, .train = {"transform"}}) {}
};

TEST_F(FrozenTable, OnlyTheRestHasSlopes) {
  scene.check_slopes();
  scene.check_examples();
}

TEST(TokenPrediction, RefusesBodiesThatDoNotFit) {
  const auto error = [](const DataSpec& data, std::vector<LayerRecipe> body) -> std::string {
    try {
      (void)sequential(data, {prediction(kNine, std::move(body))});
    } catch (const UserError& refused) {
      return refused.what();
    }
    return "";
  };
  const DataSpec words{{7}, 2, 9};
  EXPECT_EQ(error(words, {chosen_positions(2)}), "");
  EXPECT_THAT(error(words, {mean_positions()}), ::testing::HasSubstr("rows of 4 features"));
  EXPECT_THAT(error(words, {dense("fc", {.outputs = 5, .per_position = true})}),
              ::testing::HasSubstr("found (7, 5)"));
  EXPECT_THAT(error({{7, 2}, 2, 0}, {chosen_positions(2)}), ::testing::HasSubstr("token sequences"));
}

}  // namespace
}  // namespace fedloom::testing
