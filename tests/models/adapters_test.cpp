// Adapters: what is trained and what is frozen, gradients of the factors by finite differences, merging.
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "models/adapters/lora.hpp"
#include "models/layers/dense.hpp"
#include "models/loss.hpp"
#include "models/sequential.hpp"

namespace fedloom {
namespace {

constexpr std::size_t kBatch = 3;
constexpr std::int64_t kPositions = 4;

Adaptation lora(std::int64_t rank = 2) {
  return {
      .method = Adaptation::Method::lora, .targets = {"fc*"}, .train = {"head"}, .rank = rank, .alpha = 6.0};
}

// fc1 works on every position, fc2 on the flat result.
std::unique_ptr<Model> small_model(const Adaptation& how) {
  return sequential({DataSpec{{kPositions, 5}, 3}, how},
                    {dense("fc1", {.outputs = 6, .relu = true, .per_position = true}),
                     dense("fc2", {.outputs = 7}), dense("head", {.outputs = 3})});
}

struct Setting {
  explicit Setting(const Adaptation& how) : model(small_model(how)), parameters(model->layout()->size()) {
    Random random(1, Stream::init);
    model->initialize(parameters, random);
    // B starts at zero, where A has no gradient: move away from there.
    for (float& value : parameters) value += static_cast<float>(random.normal(0.0, 0.3));
    for (float& value : features) value = static_cast<float>(random.normal());
  }

  double loss(std::span<const float> at) {
    const auto logits = model->forward(at, batch, *workspace, {});
    return softmax_cross_entropy(logits, labels, 3).loss;
  }

  std::vector<float> gradient(const BackwardOptions& options = {}) {
    const auto logits = model->forward(parameters, batch, *workspace, {});
    std::vector<float> dlogits(logits.size());
    (void)softmax_cross_entropy(logits, labels, 3, dlogits);
    std::vector<float> result(parameters.size(), std::nanf(""));
    model->backward(parameters, batch, *workspace, dlogits, result, options);
    return result;
  }

  std::unique_ptr<Model> model;
  std::unique_ptr<Workspace> workspace = model->workspace(kBatch);
  std::vector<float> parameters;
  std::vector<float> features = std::vector<float>(kBatch * kPositions * 5);
  std::vector<std::int32_t> labels = {0, 2, 1};
  Batch batch{.size = kBatch, .features = features.data(), .targets = labels.data()};
};

TEST(Lora, FreezesTheBaseAndTrainsFactorsAndHead) {
  const auto model = small_model(lora());
  std::set<std::string> trained;
  for (const Slice& slice : model->layout()->slices())
    if (slice.role == Role::trained) trained.insert(slice.name);
  EXPECT_EQ(trained, (std::set<std::string>{"fc1.lora_A.weight", "fc1.lora_B.weight", "fc2.lora_A.weight",
                                            "fc2.lora_B.weight", "head.weight", "head.bias"}));
  EXPECT_EQ(model->layout()->at("fc2.lora_A.weight").shape, (std::vector<std::int64_t>{2, 24}));
  EXPECT_EQ(model->layout()->at("fc2.lora_B.weight").shape, (std::vector<std::int64_t>{7, 2}));
}

TEST(Lora, StartsAtTheBaseModel) {
  Adaptation none;
  const auto base = small_model(none);
  const auto adapted = small_model(lora());
  std::vector<float> whole(base->layout()->size());
  std::vector<float> with(adapted->layout()->size());
  Random random(7, Stream::init);
  adapted->initialize(with, random);
  for (const Slice& slice : base->layout()->slices())
    std::copy_n(with.begin() + static_cast<std::ptrdiff_t>(adapted->layout()->at(slice.name).offset),
                slice.size, whole.begin() + static_cast<std::ptrdiff_t>(slice.offset));
  Setting setting{lora()};
  const auto space = base->workspace(kBatch);
  const auto expected = base->forward(whole, setting.batch, *space, {});
  const auto own = adapted->workspace(kBatch);
  const auto found = adapted->forward(with, setting.batch, *own, {});
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_FLOAT_EQ(found[i], expected[i]);
}

TEST(Lora, GradientsAreSlopesAndFrozenSlicesHaveNone) {
  Setting setting(lora());
  const std::vector<float> gradient = setting.gradient();
  for (const Slice& slice : setting.model->layout()->slices()) {
    for (std::size_t i = slice.offset; i < slice.offset + slice.size; ++i) {
      if (slice.role != Role::trained) {
        EXPECT_EQ(gradient[i], 0.0F) << slice.name;
        continue;
      }
      constexpr float kStep = 2e-3F;
      std::vector<float> moved = setting.parameters;
      moved[i] += kStep;
      const double above = setting.loss(moved);
      moved[i] = setting.parameters[i] - kStep;
      const double below = setting.loss(moved);
      // Curvature and rounding of the float loss (about 1e-6) both stay below this.
      EXPECT_NEAR((above - below) / (2.0 * static_cast<double>(kStep)), static_cast<double>(gradient[i]),
                  5e-3)
          << slice.name << "[" << i - slice.offset << "]";
    }
  }
}

TEST(Lora, ExampleNormsAreThoseOfSingleExamples) {
  Setting setting(lora());
  std::vector<double> norms(kBatch, -1.0);
  (void)setting.gradient({.example_square_norms = norms});
  for (std::size_t i = 0; i < kBatch; ++i) {
    std::vector<float> only(kBatch, 0.0F);
    only[i] = 1.0F;
    const std::vector<float> one = setting.gradient({.example_weights = only});
    double expected = 0.0;
    for (const float value : one) expected += static_cast<double>(value) * static_cast<double>(value);
    EXPECT_NEAR(norms[i], expected, 1e-4 * expected);
  }
}

TEST(Lora, MergedBaseGivesTheSameLogitsAndComesBack) {
  Setting setting(lora());
  const auto logits = setting.model->forward(setting.parameters, setting.batch, *setting.workspace, {});
  const std::vector<float> expected(logits.begin(), logits.end());
  std::vector<float> merged = setting.parameters;
  merge_lora(*setting.model->layout(), merged, 6.0, 1.0);
  std::vector<float> without = merged;  // the factors are in the base now, so they must not act again
  for (const Slice& slice : setting.model->layout()->slices())
    if (slice.name.ends_with("lora_B.weight"))
      std::fill_n(without.begin() + static_cast<std::ptrdiff_t>(slice.offset), slice.size, 0.0F);
  const auto again = setting.model->forward(without, setting.batch, *setting.workspace, {});
  for (std::size_t i = 0; i < again.size(); ++i) EXPECT_NEAR(again[i], expected[i], 1e-4F);
  merge_lora(*setting.model->layout(), merged, 6.0, -1.0);
  for (std::size_t i = 0; i < merged.size(); ++i) EXPECT_NEAR(merged[i], setting.parameters[i], 1e-5F);
}

TEST(Lora, DropoutIsKeyedAndOffOutsideTraining) {
  Adaptation how = lora();
  how.dropout = 0.5;
  Setting setting(how);
  const auto run = [&](std::uint64_t seed, bool training) {
    Random random(seed, Stream::dropout);
    const auto logits = setting.model->forward(setting.parameters, setting.batch, *setting.workspace,
                                               {.training = training, .random = &random});
    return std::vector<float>(logits.begin(), logits.end());
  };
  EXPECT_EQ(run(1, true), run(1, true));
  EXPECT_NE(run(1, true), run(2, true));
  EXPECT_EQ(run(1, false), run(2, false));
}

TEST(Adaptation, SaysWhatFitsNothing) {
  const auto message = [](Adaptation how) -> std::string {
    try {
      (void)small_model(how);
    } catch (const UserError& error) {
      return error.what();
    }
    return "accepted";
  };
  Adaptation how = lora();
  how.targets = {"attention.*"};
  EXPECT_NE(message(how).find("attention.*"), std::string::npos) << message(how);
  how = lora();
  how.train = {"hed"};
  EXPECT_NE(message(how).find("'hed'"), std::string::npos) << message(how);
  EXPECT_NE(message(lora(6)).find("rank 6"), std::string::npos) << message(lora(6));
  how = {};
  how.method = Adaptation::Method::freeze;
  EXPECT_NE(message(how).find("nothing is left to train"), std::string::npos) << message(how);
}

TEST(Adaptation, PatternsFitNames) {
  EXPECT_TRUE(fits("head", "head.weight"));
  EXPECT_FALSE(fits("head", "header.weight"));
  EXPECT_TRUE(fits("*.query", "blocks.0.attn.query"));
  EXPECT_TRUE(fits("blocks.*.attn.*", "blocks.11.attn.value"));
  EXPECT_FALSE(fits("blocks.*.attn.*", "blocks.1.mlp.fc1"));
  EXPECT_TRUE(fits("*", ""));
}

}  // namespace
}  // namespace fedloom
