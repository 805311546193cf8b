// Layers of sequence models by themselves: slopes, example norms, attention against a plain double-precision
// loop, words that stand at several positions, padding that changes nothing, blocks of examples.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "models/layers/attention.hpp"
#include "models/layers/dense.hpp"
#include "models/layers/embedding.hpp"
#include "models/layers/feed_forward.hpp"
#include "models/layers/layer_norm.hpp"
#include "models/layers/sequence_pooling.hpp"
#include "models/layers/simple.hpp"
#include "tests/models/sequence_scene.hpp"

namespace fedloom {
namespace {

using testing::SequenceScene;

constexpr std::int64_t kPositions = 5;
constexpr std::int64_t kFeatures = 6;
const DataSpec kRows{{kPositions, kFeatures}, 2, 0};

void check(const DataSpec& data, const std::vector<LayerRecipe>& layers) {
  SequenceScene scene(data, layers);
  scene.check_slopes();
  scene.check_examples();
}

TEST(SequenceLayers, SlopesOfLayerNorm) {
  check(kRows, {layer_norm("norm")});
  check({{37}, 2, 0}, {layer_norm("norm")});  // two vectors and a remainder
}

TEST(SequenceLayers, LayerNormHasMeanAndVariance) {
  SequenceScene scene(DataSpec{{37}, 2, 0}, {layer_norm("norm")});
  const Layout& layout = *scene.model->layout();
  for (std::size_t i = 0; i < 37; ++i) {
    scene.parameters[layout.at("norm.weight").offset + i] = 2.0F;
    scene.parameters[layout.at("norm.bias").offset + i] = 3.0F;
    scene.features[i] = static_cast<float>(i);
  }
  const std::vector<float> found = scene.logits(0, 1);
  // 0 .. 36: mean 18, variance (37^2 - 1) / 12 = 114.
  for (std::size_t i = 0; i < 37; ++i)
    EXPECT_NEAR(found[i], 2.0 * (static_cast<double>(i) - 18.0) / std::sqrt(114.0 + 1e-5) + 3.0, 1e-5);
}

TEST(SequenceLayers, SlopesOfAttention) {
  check(kRows, {attention("attn", {.heads = 2})});
  check(kRows, {attention("attn", {.heads = 3, .norm = "norm1", .residual = true})});
  check(kRows, {attention("attn", {.heads = 1, .norm = "norm1", .residual = true, .first_only = true})});
}

TEST(SequenceLayers, SlopesOfFeedForward) {
  check(kRows, {feed_forward("mlp", {.hidden = 7})});
  check(kRows, {feed_forward("mlp", {.hidden = 9, .norm = "norm2", .residual = true})});
  check(kRows, {feed_forward("mlp", {.hidden = 4, .across_positions = true})});
  check(kRows,
        {feed_forward("mlp", {.hidden = 4, .norm = "norm1", .residual = true, .across_positions = true})});
}

TEST(SequenceLayers, SlopesWithDropout) {
  SequenceScene(kRows, {attention("attn", {.heads = 2, .norm = "norm1", .residual = true, .dropout = 0.4}),
                        feed_forward("mlp", {.hidden = 4, .residual = true, .dropout = 0.4}),
                        feed_forward("mix", {.hidden = 4, .dropout = 0.4, .across_positions = true})})
      .check_slopes();
}

TEST(SequenceLayers, SlopesOfEmbeddingsAndPooling) {
  check(kRows, {positional_embedding("pos_embed"),
                learned_tokens("cls", {.count = 1, .before = 0, .shape = {1, 1, 6}}),
                learned_tokens("prompt", {.count = 2, .before = 1}), mean_positions(3)});
  check(kRows, {positional_embedding("pos_embed"), first_position()});
  check({{2, 4, 6}, 2, 0}, {patch_embedding("stem.proj", 2, 5)});
}

// Blocks hold several examples, or one that is longer than a block: a batch of both forms takes several
// blocks.
TEST(SequenceLayers, BlocksOfExamplesAreOneBatch) {
  for (const std::int64_t positions : {170, 700}) {
    SequenceScene scene(
        DataSpec{{positions, 4}, 2, 0},
        {attention("attn", {.heads = 2, .norm = "norm1", .residual = true}),
         feed_forward("mlp", {.hidden = 5, .norm = "norm2", .residual = true}), mean_positions()},
        7);
    scene.check_examples();
    scene.check_slopes(positions == 170 ? 101 : 1001);
  }
}

// The patch at (row, column) of a 2 x 4 x 6 image, pixel by pixel.
TEST(SequenceLayers, PatchesAreTakenRowByRow) {
  SequenceScene scene(DataSpec{{2, 4, 6}, 2, 0}, {patch_embedding("stem.proj", 2, 3)}, 2);
  const Slice& weight = scene.model->layout()->at("stem.proj.weight");
  EXPECT_EQ(weight.shape, (std::vector<std::int64_t>{3, 2, 2, 2}));
  const std::vector<float> found = scene.logits(0, 2);
  for (std::size_t b = 0; b < 2; ++b)
    for (std::size_t patch = 0; patch < 6; ++patch)
      for (std::size_t o = 0; o < 3; ++o) {
        double expected = static_cast<double>(scene.parameters[weight.offset + weight.size + o]);
        for (std::size_t c = 0; c < 2; ++c)
          for (std::size_t i = 0; i < 2; ++i)
            for (std::size_t j = 0; j < 2; ++j) {
              const std::size_t pixel = b * 48 + c * 24 + (patch / 3 * 2 + i) * 6 + patch % 3 * 2 + j;
              expected += static_cast<double>(scene.features[pixel]) *
                          static_cast<double>(scene.parameters[weight.offset + o * 8 + c * 4 + i * 2 + j]);
            }
        EXPECT_NEAR(found[(b * 6 + patch) * 3 + o], expected, 1e-5);
      }
}

// Attention as its definition says, in double.
class PlainAttention {
 public:
  PlainAttention(const SequenceScene& scene, std::size_t heads, std::vector<bool> real)
      : scene_(scene), heads_(heads), real_(std::move(real)) {}

  double at(const std::string& slice, std::size_t i) const {
    return static_cast<double>(scene_.parameters[scene_.model->layout()->at(slice).offset + i]);
  }

  std::vector<double> linear(const std::string& name, const std::vector<double>& x) const {
    const std::size_t D = kFeatures;
    std::vector<double> y(x.size());
    for (std::size_t t = 0; t < x.size() / D; ++t)
      for (std::size_t o = 0; o < D; ++o) {
        y[t * D + o] = at(name + ".bias", o);
        for (std::size_t i = 0; i < D; ++i) y[t * D + o] += at(name + ".weight", o * D + i) * x[t * D + i];
      }
    return y;
  }

  std::vector<double> run(const std::vector<double>& x) const {
    const std::size_t D = kFeatures;
    const std::size_t T = x.size() / D;
    const std::size_t W = D / heads_;
    const auto q = linear("attn.query", x);
    const auto k = linear("attn.key", x);
    const auto v = linear("attn.value", x);
    std::vector<double> mixed(x.size(), 0.0);
    for (std::size_t h = 0; h < heads_; ++h)
      for (std::size_t t = 0; t < T; ++t) {
        std::vector<double> weight(T, 0.0);
        for (std::size_t s = 0; s < T; ++s) {
          if (!real_[s]) continue;
          double score = 0.0;
          for (std::size_t i = h * W; i < (h + 1) * W; ++i) score += q[t * D + i] * k[s * D + i];
          weight[s] = std::exp(score / std::sqrt(static_cast<double>(W)));
        }
        const double total = std::accumulate(weight.begin(), weight.end(), 0.0);
        for (std::size_t s = 0; s < T; ++s)
          for (std::size_t i = h * W; i < (h + 1) * W; ++i)
            mixed[t * D + i] += weight[s] / total * v[s * D + i];
      }
    return linear("attn.proj", mixed);
  }

 private:
  const SequenceScene& scene_;
  std::size_t heads_;
  std::vector<bool> real_;
};

TEST(SequenceLayers, AttentionIsItsDefinition) {
  for (const bool masked : {false, true}) {
    SequenceScene scene(kRows, {attention("attn", {.heads = 2})}, 2);
    std::vector<std::vector<bool>> real(2, std::vector<bool>(kPositions, true));
    if (masked) {
      scene.mask = {1, 1, 1, 0, 0, 1, 0, 1, 1, 0};
      real = {{true, true, true, false, false}, {true, false, true, true, false}};
    }
    const std::vector<float> found = scene.logits(0, 2);
    for (std::size_t b = 0; b < 2; ++b) {
      const auto begin = scene.features.begin() + static_cast<std::ptrdiff_t>(b * kPositions * kFeatures);
      const std::vector<double> x(begin, begin + kPositions * kFeatures);
      const std::vector<double> expected = PlainAttention(scene, 2, real[b]).run(x);
      for (std::size_t i = 0; i < x.size(); ++i)
        EXPECT_NEAR(static_cast<double>(found[b * x.size() + i]), expected[i], 2e-6) << i;
    }
  }
}

TEST(SequenceLayers, MaskedSlopes) {
  SequenceScene scene(kRows, {attention("attn", {.heads = 2, .norm = "norm1", .residual = true}),
                              feed_forward("mlp", {.hidden = 4}), mean_positions()});
  scene.mask = {1, 1, 1, 0, 0, 1, 0, 1, 1, 0, 1, 0, 0, 0, 0};
  scene.check_slopes();
  scene.check_examples();
}

TEST(SequenceLayers, FirstOnlyIsTheFirstOfAll) {
  SequenceScene all(kRows,
                    {attention("attn", {.heads = 2, .norm = "norm1", .residual = true}), first_position()});
  SequenceScene first(
      kRows,
      {attention("attn", {.heads = 2, .norm = "norm1", .residual = true, .first_only = true}), flatten()});
  first.parameters = all.parameters;
  first.features = all.features;
  first.factors = all.factors;
  const auto expected = all.logits(0, 3);
  const auto found = first.logits(0, 3);
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 2e-6);
  const auto slopes = all.gradient(0, 3);
  const auto found_slopes = first.gradient(0, 3);
  for (std::size_t i = 0; i < slopes.size(); ++i) EXPECT_NEAR(found_slopes[i], slopes[i], 1e-5);
}

TEST(SequenceLayers, WordsMayStandAtSeveralPositions) {
  SequenceScene scene(DataSpec{{7}, 2, 9},
                      {token_embedding("embedding", 9, 4, 1.0), dense("fc", {.outputs = 3})});
  scene.tokens = {1, 2, 1, 1, 0, 2, 8, /**/ 3, 3, 3, 3, 3, 3, 3, /**/ 0, 1, 2, 3, 4, 5, 6};
  scene.check_slopes();
  scene.check_examples();
}

TEST(SequenceLayers, PaddingChangesNothing) {
  SequenceScene scene(DataSpec{{7}, 2, 9},
                      {token_embedding("embedding", 9, 4, 1.0), positional_embedding("pos_embed"),
                       learned_tokens("prompt", {.count = 2, .before = 0}),
                       attention("attn", {.heads = 2, .norm = "norm1", .residual = true, .prefix = 2}),
                       feed_forward("mlp", {.hidden = 4, .residual = true}), mean_positions(2)});
  scene.mask = {1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0};
  const auto logits = scene.logits(0, 3);
  const auto gradient = scene.gradient(0, 3);
  scene.check_slopes();
  for (std::size_t i = 0; i < scene.tokens.size(); ++i)
    if (scene.mask[i] == 0) scene.tokens[i] = (scene.tokens[i] + 4) % 9;
  EXPECT_EQ(scene.logits(0, 3), logits);
  const auto again = scene.gradient(0, 3);
  for (std::size_t i = 0; i < again.size(); ++i) EXPECT_EQ(again[i], gradient[i]);  // -0 == 0
}

TEST(SequenceLayers, AnExampleOfPaddingIsFinite) {
  SequenceScene scene(DataSpec{{7}, 2, 9},
                      {token_embedding("embedding", 9, 4, 1.0),
                       attention("attn", {.heads = 2, .residual = true}), mean_positions()});
  scene.mask.assign(21, 1);
  std::fill_n(scene.mask.begin() + 7, 7, 0);
  for (const float value : scene.logits(0, 3)) EXPECT_TRUE(std::isfinite(value));
  for (const float value : scene.gradient(0, 3)) EXPECT_TRUE(std::isfinite(value));
}

TEST(SequenceLayers, RefuseShapesThatDoNotFit) {
  const auto build = [](const DataSpec& data, LayerRecipe layer) {
    (void)sequential(data, {std::move(layer)});
  };
  EXPECT_THROW(build(kRows, attention("attn", {.heads = 4})), UserError);
  EXPECT_THROW(build({{7}, 2, 0}, attention("attn", {.heads = 1})), UserError);
  EXPECT_THROW(build({{7}, 2, 0}, feed_forward("mlp", {.hidden = 4})), UserError);
  EXPECT_THROW(build({{2, 5, 4}, 2, 0}, patch_embedding("stem", 2, 4)), UserError);
  EXPECT_THROW(build({{2, 5, 4}, 2, 0}, layer_norm("norm")), UserError);
  EXPECT_THROW(build({{7}, 2, 0}, mean_positions()), UserError);
}

}  // namespace
}  // namespace fedloom
