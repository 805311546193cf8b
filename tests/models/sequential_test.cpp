// What lies between forward and backward of a layered model: observers, features, weights, norms, input
// gradients, and that a training step makes no heap allocation.
#include "models/sequential.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "models/gemm.hpp"
#include "models/layers/conv2d.hpp"
#include "models/layers/dense.hpp"
#include "models/layers/simple.hpp"
#include "models/loss.hpp"
#include "models/optimizer.hpp"
#include "tests/models/allocation_count.hpp"

namespace fedloom {
namespace {

std::vector<float> random_floats(std::size_t count, std::uint64_t seed) {
  Random random(seed, Stream::init);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

std::unique_ptr<Model> small_model() {
  return sequential(DataSpec{{2, 6, 6}},
                    {conv2d("conv1", {.channels = 3, .kernel = 3, .padding = 1, .relu = true, .pool = true}),
                     flatten(), dense("fc1", {.outputs = 8, .relu = true}), dense("fc2", {.outputs = 4})});
}

struct Setting {
  static constexpr std::size_t kBatch = 5;
  std::unique_ptr<Model> model = small_model();
  std::unique_ptr<Workspace> workspace = model->workspace(kBatch);
  std::vector<float> parameters = random_floats(model->layout()->size(), 1);
  std::vector<float> features = random_floats(kBatch * 72, 2);
  std::vector<float> logit_gradient = random_floats(kBatch * 4, 3);
  std::vector<float> gradient = std::vector<float>(model->layout()->size());
  Batch batch{.size = kBatch, .features = features.data()};

  void run(const BackwardOptions& options) {
    model->forward(parameters, batch, *workspace, {});
    model->backward(parameters, batch, *workspace, logit_gradient, gradient, options);
  }
};

TEST(Sequential, DeclaresSlicesInLayerOrder) {
  const auto model = small_model();
  std::vector<std::string> described;
  for (const Slice& slice : model->layout()->slices())
    described.push_back(slice.name + to_string(slice.shape));
  const std::vector<std::string> expected = {"conv1.weight(3, 2, 3, 3)", "conv1.bias(3)",
                                             "fc1.weight(8, 27)",        "fc1.bias(8)",
                                             "fc2.weight(4, 8)",         "fc2.bias(4)"};
  EXPECT_EQ(described, expected);
  // 2 x multiply-adds: 36 positions x 18 x 3, 27 x 8, 8 x 4.
  EXPECT_EQ(model->forward_flops(), 2.0 * (36 * 18 * 3 + 27 * 8 + 8 * 4));
}

TEST(Sequential, FeaturesAreTheInputOfTheLastLayer) {
  Setting s;
  const auto logits = s.model->forward(s.parameters, s.batch, *s.workspace, {});
  const auto features = s.model->features(*s.workspace);
  ASSERT_EQ(s.model->feature_width(), 8U);
  ASSERT_EQ(features.size(), Setting::kBatch * 8);
  const Slice& weight = s.model->layout()->at("fc2.weight");
  const Slice& bias = s.model->layout()->at("fc2.bias");
  for (std::size_t i = 0; i < Setting::kBatch; ++i)
    for (std::size_t o = 0; o < 4; ++o) {
      float expected = s.parameters[bias.offset + o];
      for (std::size_t j = 0; j < 8; ++j)
        expected += s.parameters[weight.offset + o * 8 + j] * features[i * 8 + j];
      EXPECT_NEAR(logits[i * 4 + o], expected, 1e-4F);
    }
  const auto flat = sequential(DataSpec{{7}}, {dense("fc", {.outputs = 2})});
  EXPECT_EQ(flat->feature_width(), 0U);
  EXPECT_TRUE(flat->features(*flat->workspace(1)).empty());
}

class Recorder final : public LayerObserver {
 public:
  void layer_input(std::string_view layer, std::span<const float> values, std::size_t rows,
                   std::size_t width) override {
    ASSERT_EQ(values.size(), rows * width);
    calls.emplace_back(layer);
    if (layer == "conv1") patches.insert(patches.end(), values.begin(), values.end());
    row_count += layer == "conv1" ? rows : 0;
  }
  std::vector<std::string> calls;
  std::vector<float> patches;
  std::size_t row_count = 0;
};

TEST(Sequential, ObserverSeesPatchesAndDenseInputs) {
  Setting s;
  Recorder recorder;
  s.model->forward(s.parameters, s.batch, *s.workspace, {.observer = &recorder});
  EXPECT_EQ(recorder.row_count, Setting::kBatch * 36);
  EXPECT_EQ(recorder.calls.back(), "fc2");
  EXPECT_EQ(recorder.calls[recorder.calls.size() - 2], "fc1");
  // Row of position (2, 3) of image 1; entry (c, kh, kw) = (1, 0, 2) is pixel (1, 2 + 0 - 1, 3 + 2 - 1).
  const std::size_t row = 36 + 2 * 6 + 3;
  EXPECT_EQ(recorder.patches[row * 18 + 9 + 2], s.features[72 + 36 + 1 * 6 + 4]);
}

TEST(Sequential, ExampleWeightsScaleContributions) {
  Setting s;
  // The weighted sum of single-example gradients.
  const std::vector<float> weights = {0.5F, 0.0F, 2.0F, 1.0F, -1.0F};
  std::vector<double> expected(s.gradient.size(), 0.0);
  for (std::size_t i = 0; i < Setting::kBatch; ++i) {
    const Batch one{.size = 1, .features = s.features.data() + i * 72};
    s.model->forward(s.parameters, one, *s.workspace, {});
    s.model->backward(s.parameters, one, *s.workspace, {s.logit_gradient.data() + i * 4, 4}, s.gradient, {});
    for (std::size_t j = 0; j < expected.size(); ++j)
      expected[j] += static_cast<double>(weights[i]) * static_cast<double>(s.gradient[j]);
  }
  s.run({.example_weights = weights});
  for (std::size_t j = 0; j < expected.size(); ++j)
    ASSERT_NEAR(static_cast<double>(s.gradient[j]), expected[j], 1e-3) << j;
}

TEST(Sequential, ExampleNormsAreThoseOfSingleGradients) {
  Setting s;
  std::vector<double> norms(Setting::kBatch);
  s.run({.example_square_norms = norms});
  const std::vector<float> with_norms = s.gradient;
  s.run({});
  for (std::size_t j = 0; j < with_norms.size(); ++j) ASSERT_NEAR(with_norms[j], s.gradient[j], 1e-3F);

  // Norms alone: no sum is asked for.
  std::vector<double> alone(Setting::kBatch);
  s.model->forward(s.parameters, s.batch, *s.workspace, {});
  s.model->backward(s.parameters, s.batch, *s.workspace, s.logit_gradient, {},
                    {.example_square_norms = alone});
  EXPECT_EQ(alone, norms);
  for (std::size_t i = 0; i < Setting::kBatch; ++i) {
    const Batch one{.size = 1, .features = s.features.data() + i * 72};
    s.model->forward(s.parameters, one, *s.workspace, {});
    s.model->backward(s.parameters, one, *s.workspace, {s.logit_gradient.data() + i * 4, 4}, s.gradient, {});
    double expected = 0.0;
    for (const float value : s.gradient) expected += static_cast<double>(value) * static_cast<double>(value);
    EXPECT_NEAR(norms[i], expected, 1e-4 * expected);
  }
}

TEST(AllocationCount, SeesAllocations) {
  if (!kCountsAllocations) GTEST_SKIP() << "a sanitizer owns operator new";
  const std::size_t before = allocation_count();
  const auto kept = std::make_unique<std::vector<float>>(100);
  EXPECT_EQ(allocation_count(), before + 2) << "the vector and its " << kept->size() << " floats";
}

TEST(Sequential, TrainingStepAllocatesNothing) {
  if (!kCountsAllocations) GTEST_SKIP() << "a sanitizer owns operator new";
  Setting s;
  const auto optimizer = OptimizerRegistry::instance()
                             .find("sgd", "optimizer")
                             .make(ConfigNode::from_text("momentum: 0.9", "test"));
  optimizer->reset(*s.model->layout());
  const std::vector<std::int32_t> labels = {0, 1, 2, 3, 0};
  std::vector<float> input_gradient(s.features.size());
  const auto step = [&] {
    const auto logits = s.model->forward(s.parameters, s.batch, *s.workspace, {.training = true});
    (void)softmax_cross_entropy(logits, labels, 4, s.logit_gradient);
    s.model->backward(s.parameters, s.batch, *s.workspace, s.logit_gradient, s.gradient,
                      {.input_gradient = input_gradient});
    optimizer->step(*s.model->layout(), s.parameters, s.gradient, 0.01);
  };
  step();  // the first step may build kernels
  const std::size_t before = allocation_count();
  for (int i = 0; i < 10; ++i) step();
  EXPECT_EQ(allocation_count(), before);
}

TEST(SequentialDeathTest, RefusesForeignWorkspacesAndOversizedBatches) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Setting s;
  const auto other = small_model();
  EXPECT_DEATH(other->forward(s.parameters, s.batch, *s.workspace, {}), "another model");
  const auto narrow = s.model->workspace(2);
  EXPECT_DEATH(s.model->forward(s.parameters, s.batch, *narrow, {}), "a batch of 5 for a workspace of 2");
  EXPECT_DEATH(s.model->forward({s.parameters.data(), 3}, s.batch, *s.workspace, {}),
               "3 parameters for a layout");
}

}  // namespace
}  // namespace fedloom
