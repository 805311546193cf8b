// Pieces of a batch side by side are the batch: values, every option, and bits that do not depend on threads.
#include "models/data_parallel.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "models/layers/conv2d.hpp"
#include "models/layers/dense.hpp"
#include "models/layers/simple.hpp"
#include "models/sequential.hpp"
#include "tests/models/allocation_count.hpp"

namespace fedloom {
namespace {

constexpr std::size_t kWidth = 72;
constexpr std::size_t kOutputs = 4;

std::vector<float> random_floats(std::size_t count, std::uint64_t seed) {
  Random random(seed, Stream::init);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

std::shared_ptr<const Model> plain_model() {
  return sequential(DataSpec{{2, 6, 6}, 4, 0},
                    {conv2d("conv1", {.channels = 3, .kernel = 3, .padding = 1, .relu = true, .pool = true}),
                     flatten(), dense("fc1", {.outputs = 8, .relu = true}), dense("fc2", {.outputs = 4})});
}

std::unique_ptr<Model> in_pieces(std::size_t pieces, std::size_t threads) {
  return data_parallel(plain_model(), {.pieces = pieces, .threads = threads, .width = kWidth});
}

// Everything a forward and a backward with all options give, one after the other.
std::vector<float> everything(const Model& model, std::size_t batch_size, std::size_t max_batch) {
  const std::vector<float> parameters = random_floats(model.layout()->size(), 1);
  const std::vector<float> inputs = random_floats(batch_size * kWidth, 2);
  const std::vector<float> logit_gradient = random_floats(batch_size * kOutputs, 3);
  std::vector<float> weights(batch_size);
  for (std::size_t i = 0; i < batch_size; ++i) weights[i] = 0.5F + 0.1F * static_cast<float>(i);
  std::vector<float> gradient(parameters.size(), std::nanf(""));
  std::vector<float> input_gradient(batch_size * kWidth, std::nanf(""));
  std::vector<double> norms(batch_size, std::nan(""));
  const auto workspace = model.workspace(max_batch);
  const Batch batch{.size = batch_size, .features = inputs.data()};
  const auto logits = model.forward(parameters, batch, *workspace, {.training = true});
  std::vector<float> all(logits.begin(), logits.end());
  const auto features = model.features(*workspace);
  all.insert(all.end(), features.begin(), features.end());
  model.backward(
      parameters, batch, *workspace, logit_gradient, gradient,
      {.input_gradient = input_gradient, .example_weights = weights, .example_square_norms = norms});
  all.insert(all.end(), gradient.begin(), gradient.end());
  all.insert(all.end(), input_gradient.begin(), input_gradient.end());
  for (const double norm : norms) all.push_back(static_cast<float>(norm));
  return all;
}

TEST(DataParallel, EqualsThePlainModelWithEveryOption) {
  // Batches that divide evenly, do not, and have fewer examples than pieces.
  for (const std::size_t batch : {8U, 7U, 3U, 1U})
    for (const std::size_t pieces : {1U, 2U, 3U, 4U}) {
      const std::vector<float> expected = everything(*plain_model(), batch, 8);
      const std::vector<float> found = everything(*in_pieces(pieces, 2), batch, 8);
      ASSERT_EQ(found.size(), expected.size());
      float largest = 0.0F;
      for (const float value : expected) largest = std::max(largest, std::abs(value));
      for (std::size_t i = 0; i < expected.size(); ++i)
        ASSERT_NEAR(found[i], expected[i], 1e-5F * std::max(largest, 1.0F))
            << "value " << i << " of a batch of " << batch << " in " << pieces << " pieces";
    }
}

TEST(DataParallel, BitsDependOnPiecesAndNotOnThreadsOrWorkspaces) {
  for (const std::size_t batch : {11U, 4U, 2U}) {
    const std::vector<float> expected = everything(*in_pieces(3, 1), batch, 11);
    for (const std::size_t threads : {1U, 2U, 3U, 8U})
      for (const std::size_t room : {11U, 40U}) {
        const std::vector<float> found = everything(*in_pieces(3, threads), batch, room);
        ASSERT_EQ(found.size(), expected.size());
        EXPECT_EQ(std::memcmp(found.data(), expected.data(), found.size() * sizeof(float)), 0)
            << batch << " examples on " << threads << " threads, room for " << room;
      }
  }
}

// Multiplies by random numbers, as dropout does.
class NoisyLayer final : public Layer {
 public:
  explicit NoisyLayer(const Shape& shape) : Layer("noisy", shape, shape) {}
  void forward(const ForwardPass& pass, const float* input, float* output,
               const LayerStorage&) const override {
    const std::size_t values = pass.batch.size * input_width();
    for (std::size_t i = 0; i < values; ++i)
      output[i] =
          input[i] *
          (pass.options.random != nullptr ? static_cast<float>(pass.options.random->uniform()) : 1.0F);
  }
  void backward(const BackwardPass& pass, const float*, const float*, float* output_gradient,
                float* input_gradient, const LayerStorage&) const override {
    if (input_gradient != nullptr)
      std::copy_n(output_gradient, pass.batch.size * input_width(), input_gradient);
  }
};

std::vector<float> noisy_logits(std::size_t threads, std::uint64_t seed) {
  std::shared_ptr<const Model> model =
      sequential(DataSpec{{6}, 2, 0},
                 {[](const Shape& shape, ParameterPlan&) { return std::make_unique<NoisyLayer>(shape); },
                  dense("fc", {.outputs = 2})});
  const auto pieces = data_parallel(model, {.pieces = 2, .threads = threads, .width = 6});
  const std::vector<float> parameters = random_floats(model->layout()->size(), 1);
  const std::vector<float> inputs(4 * 6, 1.0F);
  const auto workspace = pieces->workspace(4);
  Random random(seed, Stream::dropout);
  std::vector<float> all;
  for (int step = 0; step < 2; ++step) {
    const auto logits = pieces->forward(parameters, {.size = 4, .features = inputs.data()}, *workspace,
                                        {.training = true, .random = &random});
    all.insert(all.end(), logits.begin(), logits.end());
  }
  return all;
}

TEST(DataParallel, RandomnessIsKeyedByPieceAndStep) {
  const std::vector<float> once = noisy_logits(1, 5);
  EXPECT_EQ(once, noisy_logits(2, 5));
  EXPECT_NE(once, noisy_logits(1, 6));
  // Equal examples: only the draws tell them apart, in other examples, another piece and another step.
  for (std::size_t i = 2; i < once.size(); i += 2) EXPECT_NE(once[0], once[i]) << i;
}

// Statistics that are the size of the piece: their mean weighted by size is known.
class SizeStatistic final : public Layer {
 public:
  SizeStatistic(const Shape& shape, ParameterPlan& plan)
      : Layer("size", shape, shape), offset_(plan.add_statistic("size.statistic", {1}).offset) {}
  void forward(const ForwardPass& pass, const float* input, float* output,
               const LayerStorage&) const override {
    std::copy_n(input, pass.batch.size * input_width(), output);
    if (float* statistics = pass.statistics())
      statistics[offset_] = pass.parameters[offset_] + static_cast<float>(pass.batch.size);
  }
  void backward(const BackwardPass& pass, const float*, const float*, float* output_gradient,
                float* input_gradient, const LayerStorage&) const override {
    if (input_gradient != nullptr)
      std::copy_n(output_gradient, pass.batch.size * input_width(), input_gradient);
  }

 private:
  std::size_t offset_;
};

TEST(DataParallel, StatisticsAreTheMeanOverPiecesWeightedBySize) {
  std::shared_ptr<const Model> model = sequential(
      DataSpec{{6}, 2, 0},
      {[](const Shape& shape, ParameterPlan& plan) { return std::make_unique<SizeStatistic>(shape, plan); },
       dense("fc", {.outputs = 2})});
  const auto pieces = data_parallel(model, {.pieces = 2, .threads = 2, .width = 6});
  std::vector<float> parameters(model->layout()->size(), 0.0F);
  const std::size_t offset = model->layout()->at("size.statistic").offset;
  parameters[offset] = 10.0F;
  const std::vector<float> inputs(5 * 6, 1.0F);
  const auto workspace = pieces->workspace(5);
  const Batch batch{.size = 5, .features = inputs.data()};
  (void)pieces->forward(parameters, batch, *workspace, {.training = true});
  EXPECT_EQ(parameters[offset], 10.0F) << "nobody asked for new statistics";
  // In place, as training does it: pieces of 2 and 3 say 12 and 13; 0.4 x 12 + 0.6 x 13 = 12.6.
  (void)pieces->forward(parameters, batch, *workspace, {.training = true, .statistics = parameters});
  EXPECT_FLOAT_EQ(parameters[offset], 12.6F);
  (void)pieces->forward(parameters, batch, *workspace, {.statistics = parameters});
  EXPECT_FLOAT_EQ(parameters[offset], 12.6F) << "evaluation changes none";
}

class Recorder final : public LayerObserver {
 public:
  void layer_input(std::string_view layer, std::span<const float> values, std::size_t, std::size_t) override {
    if (layer == "fc2") seen.insert(seen.end(), values.begin(), values.end());
  }
  std::vector<float> seen;
};

TEST(DataParallel, AnObserverSeesTheExamplesInOrder) {
  const auto record = [](const Model& model) {
    const std::vector<float> parameters = random_floats(model.layout()->size(), 1);
    const std::vector<float> inputs = random_floats(7 * kWidth, 2);
    Recorder recorder;
    (void)model.forward(parameters, {.size = 7, .features = inputs.data()}, *model.workspace(7),
                        {.observer = &recorder});
    return recorder.seen;
  };
  const std::vector<float> expected = record(*plain_model());
  const std::vector<float> found = record(*in_pieces(3, 2));
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], 1e-5F) << i;
}

TEST(DataParallel, AStepAllocatesNothing) {
  if (!kCountsAllocations) GTEST_SKIP() << "allocations are not counted here";
  const auto model = in_pieces(3, 2);
  const std::vector<float> parameters = random_floats(model->layout()->size(), 1);
  const std::vector<float> inputs = random_floats(8 * kWidth, 2);
  const std::vector<float> logit_gradient = random_floats(8 * kOutputs, 3);
  std::vector<float> gradient(parameters.size());
  const auto workspace = model->workspace(8);
  Random random(1, Stream::dropout);
  const auto step = [&](std::size_t size) {
    const Batch batch{.size = size, .features = inputs.data()};
    (void)model->forward(parameters, batch, *workspace, {.training = true, .random = &random});
    model->backward(parameters, batch, *workspace, {logit_gradient.data(), size * kOutputs}, gradient, {});
  };
  step(8);  // libraries set themselves up
  step(8);
  const std::size_t before = allocation_count();
  for (int i = 0; i < 20; ++i) step(i % 2 == 0 ? 8 : 5);
  EXPECT_EQ(allocation_count() - before, 0U);
}

}  // namespace
}  // namespace fedloom
