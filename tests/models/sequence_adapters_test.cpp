// Adapters inside sequence models: low-rank factors, scales and shifts, prompts; what is frozen, slopes,
// example norms, merging.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "models/adapters/lora.hpp"
#include "models/adapters/ssf.hpp"
#include "models/layers/conv2d.hpp"
#include "tests/models/sequence_scene.hpp"

namespace fedloom {
namespace {

using testing::SequenceScene;

constexpr const char* kVit = "{patch: 4, dim: 8, depth: 2, heads: 2, mlp_ratio: 2}";
const DataSpec kImages{{2, 8, 8}, 3, 0};

SequenceScene scene_of(const std::string& model, const std::string& settings, const DataSpec& data,
                       const Adaptation& how, std::size_t examples = 3) {
  return {data,
          ModelRegistry::instance()
              .find(model, "model")
              .make(ConfigNode::from_text(settings, "settings"), ModelContext(data, how)),
          examples};
}

std::set<std::string> trained(const Layout& layout) {
  std::set<std::string> names;
  for (const Slice& slice : layout.slices())
    if (slice.role == Role::trained) names.insert(slice.name);
  return names;
}

TEST(SequenceAdapters, LoraOnQueryAndValue) {
  SequenceScene scene = scene_of("vit", kVit, kImages,
                                 {.method = Adaptation::Method::lora,
                                  .targets = {"blocks.*.attn.query", "blocks.*.attn.value"},
                                  .train = {"head"},
                                  .rank = 2});
  EXPECT_EQ(trained(*scene.model->layout()).size(), 2U + 2U * 4U);
  EXPECT_TRUE(trained(*scene.model->layout()).contains("blocks.1.attn.value.lora_B.weight"));
  scene.check_slopes();
  scene.check_examples();
}

TEST(SequenceAdapters, LoraEverywhereWithDropout) {
  Adaptation how{.method = Adaptation::Method::lora,
                 .targets = {"blocks.*.attn.*", "blocks.*.mlp.*"},
                 .train = {"head", "blocks.0.norm1"},
                 .rank = 2};
  SequenceScene scene = scene_of("vit", kVit, kImages, how);
  scene.check_slopes();
  scene.check_examples();
  how.dropout = 0.3;
  scene_of("vit", kVit, kImages, how).check_slopes(3);
}

TEST(SequenceAdapters, ScaleAndShift) {
  const Adaptation how{.method = Adaptation::Method::ssf,
                       .targets = {"patch_embed.proj", "blocks.*", "norm", "head"},
                       .train = {"head"}};
  SequenceScene scene = scene_of("vit", kVit, kImages, how);
  const std::set<std::string> names = trained(*scene.model->layout());
  // Patches, final norm and head; two norms, four projections and two dense layers of each block.
  EXPECT_EQ(names.size(), 2U + 2U * (3U + 2U * 8U));
  scene.check_slopes();
  scene.check_examples();
  SequenceScene mixer =
      scene_of("mlp_mixer", "{patch: 4, dim: 5, depth: 1, token_hidden: 3, channel_hidden: 4}", kImages,
               {.method = Adaptation::Method::ssf, .targets = {"*"}});
  mixer.check_slopes();
  mixer.check_examples();
}

// After merging, scales of one and shifts of zero give the same logits; taking out gives the base again.
TEST(SequenceAdapters, ScaleAndShiftMerge) {
  const Adaptation how{.method = Adaptation::Method::ssf, .targets = {"*"}, .train = {"head"}};
  SequenceScene scene = scene_of("vit", kVit, kImages, how);
  const std::vector<float> base = scene.parameters;
  const auto expected = scene.logits(0, 3);
  merge_ssf(*scene.model->layout(), scene.parameters);
  const std::vector<float> merged = scene.parameters;
  for (const Slice& slice : scene.model->layout()->slices()) {
    if (slice.name.ends_with(".ssf_scale"))
      std::fill_n(scene.parameters.data() + slice.offset, slice.size, 1.0F);
    if (slice.name.ends_with(".ssf_shift"))
      std::fill_n(scene.parameters.data() + slice.offset, slice.size, 0.0F);
  }
  const auto found = scene.logits(0, 3);
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-5);
  std::vector<float> back = merged;
  merge_ssf(*scene.model->layout(), back, true);
  for (std::size_t i = 0; i < back.size(); ++i) EXPECT_NEAR(back[i], base[i], 1e-5);
}

TEST(SequenceAdapters, ScaleAndShiftOfChannels) {
  SequenceScene scene(
      ModelContext({{2, 5, 4}, 2, 0},
                   {.method = Adaptation::Method::ssf, .targets = {"conv"}, .train = {"conv"}}),
      {conv2d("conv", {.channels = 3, .kernel = 3}), ssf_adapter("conv")});
  scene.check_slopes();
  scene.check_examples();
  const auto expected = scene.logits(0, 3);
  merge_ssf(*scene.model->layout(), scene.parameters);
  std::fill_n(scene.parameters.data() + scene.model->layout()->at("conv.ssf_scale").offset, 3, 1.0F);
  std::fill_n(scene.parameters.data() + scene.model->layout()->at("conv.ssf_shift").offset, 3, 0.0F);
  const auto found = scene.logits(0, 3);
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-5);
}

TEST(SequenceAdapters, PromptsStandBehindTheClassToken) {
  const Adaptation how{.method = Adaptation::Method::prompt, .train = {"head"}, .tokens = 3};
  for (const std::string settings : {"cls", "mean"}) {
    SequenceScene scene =
        scene_of("vit", "{patch: 4, dim: 8, depth: 2, heads: 2, pool: " + settings + "}", kImages, how);
    EXPECT_EQ(trained(*scene.model->layout()),
              (std::set<std::string>{"prompt.weight", "head.weight", "head.bias"}));
    scene.check_slopes();
    scene.check_examples();
  }
}

TEST(SequenceAdapters, PromptsOfAText) {
  const DataSpec text{{6}, 3, 11};
  const Adaptation how{.method = Adaptation::Method::prompt, .train = {"head"}, .tokens = 3};
  SequenceScene scene = scene_of("text_transformer", "{dim: 8, depth: 1, heads: 2}", text, how, 2);
  scene.mask = {1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1};
  scene.check_slopes();
  scene.check_examples();
  const auto logits = scene.logits(0, 2);
  scene.tokens[4] = (scene.tokens[4] + 1) % 11;
  EXPECT_EQ(scene.logits(0, 2), logits);
}

TEST(SequenceAdapters, AnUnknownTargetIsRefused) {
  EXPECT_THROW(scene_of("vit", kVit, kImages,
                        {.method = Adaptation::Method::ssf, .targets = {"no_such_layer"}, .train = {"head"}}),
               UserError);
}

}  // namespace
}  // namespace fedloom
