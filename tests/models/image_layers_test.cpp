// Layers of image models by themselves: slopes by finite differences in training mode too, where dropout and
// batch statistics act; running statistics and shortcuts by hand.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "models/kernels/nonlinear.hpp"
#include "models/layers/activations.hpp"
#include "models/layers/average_pool.hpp"
#include "models/layers/conv2d.hpp"
#include "models/layers/dense.hpp"
#include "models/layers/dropout.hpp"
#include "models/layers/max_pool.hpp"
#include "models/layers/norm.hpp"
#include "models/layers/residual.hpp"
#include "models/layers/simple.hpp"
#include "models/sequential.hpp"

namespace fedloom {
namespace {

constexpr std::size_t kBatch = 5;

std::vector<float> random_floats(std::size_t count, std::uint64_t seed) {
  Random random(seed, Stream::init);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

// A model of some layers with a fixed linear loss: the sum of logits times fixed factors.
struct Scene {
  Scene(const Shape& shape, const std::vector<LayerRecipe>& layers, const Adaptation& adaptation = {})
      : model(sequential({DataSpec{shape}, adaptation}, layers)),
        workspace(model->workspace(kBatch)),
        parameters(model->layout()->size()),
        features(random_floats(kBatch * element_count(shape), 2)),
        factors(random_floats(kBatch * model->outputs(), 3)) {
    Random random(1, Stream::init);
    model->initialize(parameters, random);
    for (float& value : parameters) value += static_cast<float>(random.normal(0.0, 0.1));
    batch = {.size = kBatch, .features = features.data()};
  }

  double loss(bool training) {
    Random random(9, Stream::dropout);
    const auto logits =
        model->forward(parameters, batch, *workspace, {.training = training, .random = &random});
    double total = 0.0;
    for (std::size_t i = 0; i < logits.size(); ++i)
      total += static_cast<double>(logits[i]) * static_cast<double>(factors[i]);
    return total;
  }

  // Compares every trained value's and every input's gradient with the slope of the loss.
  void check_slopes(bool training) {
    (void)loss(training);
    std::vector<float> gradient(parameters.size(), std::nanf(""));
    std::vector<float> input_gradient(features.size(), std::nanf(""));
    model->backward(parameters, batch, *workspace, factors, gradient, {.input_gradient = input_gradient});
    for (const Slice& slice : model->layout()->slices())
      for (std::size_t i = slice.offset; i < slice.offset + slice.size; ++i) {
        if (slice.role != Role::trained)
          EXPECT_EQ(gradient[i], 0.0F) << slice.name;
        else
          check(parameters[i], gradient[i], training, slice.name);
      }
    for (std::size_t i = 0; i < features.size(); ++i)
      check(features[i], input_gradient[i], training, "input");
  }

  void check(float& value, float gradient, bool training, const std::string& what) {
    constexpr float kStep = 4e-3F;
    const float before = value;
    value = before + kStep;
    const double above = loss(training);
    value = before - kStep;
    const double below = loss(training);
    value = before;
    const double slope = (above - below) / (2.0 * static_cast<double>(kStep));
    // Float rounding of the loss is about 1e-6, divided by the step; curvature of normalisation adds to it.
    EXPECT_NEAR(slope, static_cast<double>(gradient), 5e-3 + 0.02 * std::abs(slope)) << what;
  }

  std::unique_ptr<Model> model;
  std::unique_ptr<Workspace> workspace;
  std::vector<float> parameters;
  std::vector<float> features;
  std::vector<float> factors;
  Batch batch;
};

TEST(ImageLayers, SlopesOfSmoothActivations) {
  for (const LayerRecipe& layer : {gelu(), tanh_layer(), sigmoid()})
    Scene({6}, {dense("fc", {.outputs = 4}), layer}).check_slopes(true);
}

TEST(ImageLayers, NonlinearFunctionsAreThoseOfTheStandardLibrary) {
  for (double x = -30.0; x < 30.0; x += 0.0137) {
    const auto at = static_cast<float>(x);
    const auto exact = static_cast<double>(at);
    EXPECT_NEAR(static_cast<double>(exponential(at)) / std::exp(exact), 1.0, 3e-7) << x;
    EXPECT_NEAR(static_cast<double>(logistic(at)), 1.0 / (1.0 + std::exp(-exact)), 2e-7) << x;
    EXPECT_NEAR(static_cast<double>(hyperbolic_tangent(at)), std::tanh(exact), 3e-7) << x;
    EXPECT_NEAR(static_cast<double>(normal_distribution(at)), 0.5 * std::erfc(-exact / std::sqrt(2.0)), 3e-7)
        << x;
  }
  EXPECT_EQ(exponential(-1000.0F), 0.0F);
  EXPECT_TRUE(std::isnan(exponential(std::nanf(""))));
}

TEST(ImageLayers, SlopesOfNormalisation) {
  Scene({4, 3, 3}, {group_norm("norm", 2)}).check_slopes(true);
  Scene({4, 3, 3}, {batch_norm("norm")}).check_slopes(false);
  Scene({4, 3, 3}, {batch_norm("norm")}).check_slopes(true);
  Scene({4, 3, 3}, {batch_norm("norm", {.running = false})}).check_slopes(false);
}

TEST(ImageLayers, SlopesOfPoolingDropoutAndResidualBlocks) {
  Scene({2, 5, 4}, {average_pool({.kernel = 2})}).check_slopes(true);
  Scene({2, 5, 4}, {global_average_pool()}).check_slopes(true);
  Scene({12}, {dense("fc", {.outputs = 8}), dropout(0.5)}).check_slopes(true);
  const auto conv = [](std::string name, std::int64_t channels, std::int64_t stride) {
    return conv2d(std::move(name),
                  {.channels = channels, .kernel = 3, .stride = stride, .padding = 1, .bias = false});
  };
  Scene({4, 5, 5}, {residual("block", {conv("conv1", 4, 1), group_norm("gn", 2)})}).check_slopes(true);
  Scene({2, 5, 5}, {residual("block", {conv("conv1", 6, 2)}, {option_a_shortcut(6)})}).check_slopes(true);
  Scene({2, 5, 5}, {residual("block", {conv("conv1", 3, 2)},
                             {conv2d("side", {.channels = 3, .kernel = 1, .stride = 2, .bias = false})})})
      .check_slopes(true);
}

TEST(ImageLayers, SlopesOfWindowsOfEveryKind) {
  for (const PoolOptions& options : {PoolOptions{.kernel = 3, .stride = 2, .padding = 1},
                                     {.kernel = 3},
                                     {.kernel = 2, .stride = 1},
                                     {.kernel = 3, .stride = 1, .padding = 1},
                                     {.kernel = 4, .stride = 3, .padding = 2}}) {
    Scene({2, 5, 7}, {average_pool(options)}).check_slopes(true);
    Scene({2, 5, 7}, {max_pool(options)}).check_slopes(true);
  }
}

TEST(ImageLayers, WindowsByHand) {
  const std::vector<float> image = {1,  -2, 3,   //
                                    4,  5,  -6,  //
                                    -7, 8,  -9};
  const auto run = [&](const LayerRecipe& layer) {
    const auto model = sequential(DataSpec{{1, 3, 3}}, {layer});
    const auto space = model->workspace(1);
    const auto out = model->forward({}, {.size = 1, .features = image.data()}, *space, {});
    return std::vector<float>(out.begin(), out.end());
  };
  // Windows of 3 with stride 2 and a border of 1 hold the four corners of 2 x 2 pixels.
  const PoolOptions bordered{.kernel = 3, .stride = 2, .padding = 1};
  EXPECT_EQ(run(max_pool(bordered)), (std::vector<float>{5, 5, 8, 8}));
  const std::vector<float> sums = {1 - 2 + 4 + 5, -2 + 3 + 5 - 6, 4 + 5 - 7 + 8, 5 - 6 + 8 - 9};
  const std::vector<float> means = run(average_pool(bordered));
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(means[i], sums[i] / 9.0F, 1e-6F);
  EXPECT_EQ(run(max_pool({.kernel = 2, .stride = 1})), (std::vector<float>{5, 5, 8, 8}));
  EXPECT_EQ(run(max_pool({.kernel = 3})), (std::vector<float>{8}));
}

TEST(ImageLayers, MaximumOfEqualsIsTheFirstAndNanIsTheLargest) {
  const float nan = std::nanf("");
  const std::vector<float> image = {1, 1, 1, 1, nan, 2, 1, 1, 1};
  const auto model = sequential(DataSpec{{1, 3, 3}}, {max_pool({.kernel = 2, .stride = 1})});
  const auto space = model->workspace(1);
  const auto out = model->forward({}, {.size = 1, .features = image.data()}, *space, {});
  for (const float value : out) EXPECT_TRUE(std::isnan(value));
  const std::vector<float> even(9, 1.0F);
  (void)model->forward({}, {.size = 1, .features = even.data()}, *space, {});
  std::vector<float> gradient(9);
  model->backward({}, {.size = 1, .features = even.data()}, *space, std::vector<float>{1, 2, 3, 4}, {},
                  {.input_gradient = gradient});
  EXPECT_EQ(gradient, (std::vector<float>{1, 2, 0, 3, 4, 0, 0, 0, 0}));
}

// Layers with slices of every kind, and those without between them.
std::vector<LayerRecipe> assorted(const LayerRecipe& norm) {
  const auto conv = [](std::string name, std::int64_t stride) {
    return conv2d(std::move(name),
                  {.channels = 4, .kernel = 3, .stride = stride, .padding = 1, .bias = false});
  };
  return {conv("conv1", 1),
          norm,
          dropout(0.3),
          residual("block", {conv("conv2", 2), gelu(), group_norm("gn", 2)},
                   {conv2d("side", {.channels = 4, .kernel = 1, .stride = 2})}, true),
          max_pool({.kernel = 2, .stride = 1}),
          average_pool({.kernel = 2, .stride = 1, .padding = 1}),
          dense("fc", {.outputs = 3})};
}

TEST(ImageLayers, NormsOfExamplesAreThoseOfTheirOwnGradients) {
  for (const bool batch_statistics : {false, true}) {
    const bool training = !batch_statistics;  // running values outside training keep examples apart
    Scene scene({4, 5, 5}, assorted(batch_statistics ? batch_norm("norm", {.relu = true})
                                                     : group_norm("norm", 2, true)));
    (void)scene.loss(training);
    std::vector<double> norms(kBatch);
    std::vector<float> gradient(scene.parameters.size());
    scene.model->backward(scene.parameters, scene.batch, *scene.workspace, scene.factors, gradient,
                          {.example_square_norms = norms});
    for (std::size_t i = 0; i < kBatch; ++i) {
      std::vector<float> only(kBatch, 0.0F);
      only[i] = 1.0F;
      (void)scene.loss(training);
      scene.model->backward(scene.parameters, scene.batch, *scene.workspace, scene.factors, gradient,
                            {.example_weights = only});
      double expected = 0.0;
      for (const float value : gradient) expected += static_cast<double>(value) * static_cast<double>(value);
      EXPECT_NEAR(norms[i], expected, 1e-4 * expected);
    }
  }
}

TEST(ImageLayers, NormsOfExamplesUnderBatchStatisticsAreRefused) {
  Scene scene({4, 3, 3}, {batch_norm("norm")});
  (void)scene.loss(true);
  std::vector<double> norms(kBatch);
  EXPECT_THROW(scene.model->backward(scene.parameters, scene.batch, *scene.workspace, scene.factors, {},
                                     {.example_square_norms = norms}),
               UserError);
}

// What is frozen gets no gradient (the model clears those slices first, so a layer that wrote would show),
// and the others' are as before, also below what is frozen.
TEST(ImageLayers, FrozenSlicesGetNoGradientAndChangeNoOther) {
  for (const LayerRecipe& norm : {group_norm("norm", 2, true), batch_norm("norm", {.relu = true})}) {
    Scene all({4, 5, 5}, assorted(norm));
    (void)all.loss(false);
    std::vector<float> whole(all.parameters.size());
    all.model->backward(all.parameters, all.batch, *all.workspace, all.factors, whole, {});
    for (const std::string trained : {"fc", "norm.bias", "gn.weight", "side.bias", "conv1", "conv2"}) {
      Scene some({4, 5, 5}, assorted(norm), {.method = Adaptation::Method::freeze, .train = {trained}});
      (void)some.loss(false);
      std::vector<float> gradient(whole.size(), std::nanf(""));
      std::vector<float> input_gradient(some.features.size());
      for (const std::span<float> wanted : {std::span<float>(), std::span<float>(input_gradient)}) {
        some.model->backward(some.parameters, some.batch, *some.workspace, some.factors, gradient,
                             {.input_gradient = wanted});
        for (const Slice& slice : some.model->layout()->slices())
          for (std::size_t i = slice.offset; i < slice.offset + slice.size; ++i)
            EXPECT_EQ(gradient[i], slice.role == Role::trained ? whole[i] : 0.0F)
                << slice.name << " while training " << trained;
        (void)some.loss(false);
      }
    }
  }
}

TEST(ImageLayers, RunningStatisticsMoveATenthTowardsTheBatch) {
  // One channel, two examples of two values: 1, 3, 5, 7. Mean 4, variance 5 (biased), 20/3 (unbiased).
  const auto model = sequential(DataSpec{{1, 1, 2}}, {batch_norm("bn")});
  std::vector<float> parameters(model->layout()->size());
  Random random(1, Stream::init);
  model->initialize(parameters, random);
  const std::vector<float> values = {1.0F, 3.0F, 5.0F, 7.0F};
  const Batch batch{.size = 2, .features = values.data()};
  const auto space = model->workspace(2);
  const auto at = [&](const char* name) { return parameters[model->layout()->at(name).offset]; };

  (void)model->forward(parameters, batch, *space, {.training = true});
  EXPECT_EQ(at("bn.running_mean"), 0.0F);  // nobody asked for new statistics
  const auto logits = model->forward(parameters, batch, *space, {.training = true, .statistics = parameters});
  EXPECT_NEAR(logits[0], (1.0 - 4.0) / std::sqrt(5.0 + 1e-5), 1e-5);
  EXPECT_NEAR(at("bn.running_mean"), 0.9 * 0.0 + 0.1 * 4.0, 1e-6);
  EXPECT_NEAR(at("bn.running_var"), 0.9 * 1.0 + 0.1 * 20.0 / 3.0, 1e-6);
  const auto outside = model->forward(parameters, batch, *space, {.statistics = parameters});
  EXPECT_NEAR(outside[0], (1.0 - 0.4) / std::sqrt(0.9 + 2.0 / 3.0 + 1e-5), 1e-5);
  EXPECT_NEAR(at("bn.running_mean"), 0.4, 1e-6);  // only training moves them
}

TEST(ImageLayers, OptionATakesEverySecondPixelBetweenZeroPlanes) {
  const auto model = sequential(DataSpec{{1, 3, 4}}, {option_a_shortcut(3)});
  const std::vector<float> image = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  const auto space = model->workspace(1);
  const auto out = model->forward({}, {.size = 1, .features = image.data()}, *space, {});
  EXPECT_EQ(std::vector<float>(out.begin(), out.end()),
            (std::vector<float>{0, 0, 0, 0, 1, 3, 9, 11, 0, 0, 0, 0}));
}

TEST(ImageLayers, DropoutKeepsTheMeanAndFollowsItsKey) {
  constexpr std::size_t kWidth = 100000;
  const auto model = sequential(DataSpec{{kWidth}}, {dropout(0.3)});
  const std::vector<float> ones(kWidth, 1.0F);
  const auto space = model->workspace(1);
  const auto run = [&](std::uint64_t seed, bool training) {
    Random random(seed, Stream::dropout);
    const auto out = model->forward({}, {.size = 1, .features = ones.data()}, *space,
                                    {.training = training, .random = &random});
    return std::vector<float>(out.begin(), out.end());
  };
  const std::vector<float> first = run(1, true);
  EXPECT_EQ(first, run(1, true));
  EXPECT_NE(first, run(2, true));
  EXPECT_EQ(run(1, false), ones);
  const auto zeros = static_cast<double>(std::count(first.begin(), first.end(), 0.0F));
  // Binomial(100000, 0.3): deviation 145; five of them.
  EXPECT_NEAR(zeros, 30000.0, 5 * 145.0);
  EXPECT_FLOAT_EQ(*std::max_element(first.begin(), first.end()), 1.0F / 0.7F);
}

}  // namespace
}  // namespace fedloom
