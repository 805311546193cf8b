// Heads of stages as rows of one layer: an example meets the head of its label alone.
#include "models/task_heads.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "models/data_parallel.hpp"
#include "models/loss.hpp"

namespace fedloom {
namespace {

std::shared_ptr<const Model> plain_model() {
  return ModelRegistry::instance()
      .find("mlp", "model")
      .make(ConfigNode::from_text("hidden: [6]", "test.yaml"), ModelContext(DataSpec{{4}, 5, 0}));
}

struct Scene {
  std::shared_ptr<const Model> below = plain_model();
  std::unique_ptr<Model> model = task_heads(below, {2, 3});
  FloatBuffer parameters = FloatBuffer(below->layout()->size());
  FloatBuffer features = {0.5F, -1.0F, 2.0F, 0.25F, 1.0F, 1.0F, -0.5F, 0.0F};
  std::vector<std::int32_t> labels = {1, 3};
  Batch batch;

  Scene() {
    Random random(1, Stream::init);
    model->initialize(parameters, random);
    batch = {2, features.data(), nullptr, nullptr, labels.data()};
  }
};

TEST(TaskHeads, LogitsOfOtherHeadsNeverCount) {
  Scene s;
  const auto workspace = s.model->workspace(2);
  const auto masked = s.model->forward(s.parameters, s.batch, *workspace, {});
  const auto below = s.below->workspace(2);
  const auto logits = s.below->forward(s.parameters, s.batch, *below, {});
  for (std::size_t i = 0; i < 10; ++i) {
    const bool own = i < 5 ? i < 2 : i >= 7;
    if (own)
      EXPECT_EQ(masked[i], logits[i]) << i;
    else
      EXPECT_LT(masked[i], -1e29F) << i;
  }
  // The loss of an example is that over its own head: softmax of 2 and of 3 outputs.
  FloatBuffer first(logits.begin(), logits.begin() + 2);
  FloatBuffer second(logits.begin() + 7, logits.begin() + 10);
  const std::int32_t one = 1;
  const double expected =
      softmax_cross_entropy(first, {&one, 1}, 2).loss + softmax_cross_entropy(second, {&one, 1}, 3).loss;
  EXPECT_NEAR(softmax_cross_entropy(masked, s.labels, 5).loss, expected, 1e-6);
}

TEST(TaskHeads, OtherHeadsGetNoGradient) {
  Scene s;
  s.labels = {0, 1};  // both of the first head
  const auto workspace = s.model->workspace(2);
  const auto logits = s.model->forward(s.parameters, s.batch, *workspace, {.training = true});
  FloatBuffer dlogits(10);
  softmax_cross_entropy(logits, s.labels, 5, dlogits);
  FloatBuffer gradient(s.parameters.size());
  s.model->backward(s.parameters, s.batch, *workspace, dlogits, gradient, {});
  const Slice& weight = s.model->layout()->at("fc2.weight");
  double own = 0.0;
  for (std::size_t row = 0; row < 5; ++row)
    for (std::size_t x = 0; x < 6; ++x) {
      const float g = gradient[weight.offset + row * 6 + x];
      if (row < 2)
        own += std::abs(static_cast<double>(g));
      else
        EXPECT_EQ(g, 0.0F) << row;
    }
  EXPECT_GT(own, 0.0);
}

TEST(TaskHeads, WithoutTargetsLogitsAreAsTheyCome) {
  Scene s;
  s.batch.targets = nullptr;
  const auto workspace = s.model->workspace(2);
  for (const float logit : s.model->forward(s.parameters, s.batch, *workspace, {})) EXPECT_GT(logit, -1e3F);
}

TEST(TaskHeads, WorkInPiecesToo) {
  Scene s;
  const auto workspace = s.model->workspace(2);
  const auto whole = s.model->forward(s.parameters, s.batch, *workspace, {});
  const FloatBuffer expected(whole.begin(), whole.end());
  const std::shared_ptr<const Model> shared = task_heads(s.below, {2, 3});
  const auto pieces = data_parallel(shared, {.pieces = 2, .threads = 1, .width = 4});
  const auto space = pieces->workspace(2);
  const auto found = pieces->forward(s.parameters, s.batch, *space, {});
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(found[i] < -1e29F, expected[i] < -1e29F);
    if (expected[i] > -1e29F) {
      EXPECT_NEAR(found[i], expected[i], 1e-5F);
    }
  }
}

}  // namespace
}  // namespace fedloom
