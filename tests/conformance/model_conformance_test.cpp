// What every registered model must do, over the registry: a new model is covered when it compiles. Gradients
// are compared with finite differences on a small data set of a form that the model accepts.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "models/data_parallel.hpp"
#include "models/loss.hpp"
#include "models/model.hpp"
#include "models/optimizer.hpp"
#include "tests/support/small_models.hpp"

namespace fedloom {
namespace {

constexpr std::size_t kBatch = 6;
constexpr std::int64_t kClasses = 4;

// Examples of a form; owns what a Batch points to.
struct Examples {
  Examples(const DataSpec& spec, std::size_t count)
      : width(static_cast<std::size_t>(spec.width())), labels(count) {
    Random random(11, Stream::dataset);
    for (std::int32_t& label : labels)
      label = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(spec.classes)));
    if (spec.vocabulary > 0) {
      tokens.resize(count * width);
      mask.assign(count * width, 1);
      for (std::int32_t& token : tokens)
        token = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(spec.vocabulary)));
      // Every example but the first ends in padding.
      for (std::size_t i = 0; i < count; ++i)
        for (std::size_t padded = width - i % (width - 1); padded < width; ++padded)
          tokens[i * width + padded] = mask[i * width + padded] = 0;
    } else {
      features.resize(count * width);
      for (float& value : features) value = static_cast<float>(random.normal());
    }
    if (spec.predictions > 0) hidden.emplace(spec, count, random);
  }

  Batch batch(std::size_t first, std::size_t count) const {
    Batch batch;
    batch.size = count;
    batch.targets = labels.data() + first;
    if (hidden) {
      batch.targets_each = hidden->targets.size() / labels.size();
      batch.targets = hidden->targets.data() + first * batch.targets_each;
      batch.places = hidden->places.data() + first * batch.targets_each;
    }
    if (tokens.empty()) {
      batch.features = features.data() + first * width;
    } else {
      batch.tokens = tokens.data() + first * width;
      batch.mask = mask.data() + first * width;
    }
    return batch;
  }

  std::size_t width;
  std::vector<float> features;
  std::vector<std::int32_t> tokens;
  std::vector<std::uint8_t> mask;
  std::vector<std::int32_t> labels;
  std::optional<testing::HiddenTokens> hidden;
};

class ModelConformance : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    testing::FittingModel fitting = testing::model_with_data(GetParam());
    name_ = fitting.registered;
    model_ = std::move(fitting.model);
    spec_ = fitting.spec;
    ASSERT_NE(model_, nullptr) << "accepts none of the forms of data that this test knows";
    examples_.emplace(spec_, kBatch);
    parameters_.resize(model_->layout()->size());
    Random random(3, Stream::init);
    model_->initialize(parameters_, random);
    // Away from special points such as all zeros, where wrong gradients can look right.
    for (float& value : parameters_) value += static_cast<float>(random.normal(0.0, 0.02));
  }

  // Sum of the losses of the whole batch.
  double loss(std::span<const float> parameters, Workspace& workspace) const {
    const Batch batch = examples_->batch(0, kBatch);
    return softmax_cross_entropy(model_->forward(parameters, batch, workspace, {}), batch).loss;
  }

  std::vector<float> gradient(std::size_t first, std::size_t count, Workspace& workspace,
                              const BackwardOptions& options = {}) const {
    const Batch batch = examples_->batch(first, count);
    const auto logits = model_->forward(parameters_, batch, workspace, {});
    std::vector<float> logit_gradient(logits.size());
    (void)softmax_cross_entropy(logits, batch, logit_gradient);
    std::vector<float> gradient(parameters_.size(), std::nanf(""));
    model_->backward(parameters_, batch, workspace, logit_gradient, gradient, options);
    return gradient;
  }

  // Slope of the loss along a unit direction, by central differences. The step is small enough that few ReLUs
  // and maxima switch and large enough that float rounding of the loss (about 1e-6) does not matter.
  double slope(const std::vector<double>& direction, Workspace& workspace) const {
    constexpr double kStep = 1e-3;
    std::vector<float> moved(parameters_.size());
    const auto loss_at = [&](double step) {
      for (std::size_t i = 0; i < moved.size(); ++i)
        moved[i] = static_cast<float>(static_cast<double>(parameters_[i]) + step * direction[i]);
      return loss(moved, workspace);
    };
    return (loss_at(kStep) - loss_at(-kStep)) / (2.0 * kStep);
  }

  std::string name_;
  DataSpec spec_;
  std::unique_ptr<Model> model_;
  std::optional<Examples> examples_;
  std::vector<float> parameters_;
};

double norm(std::span<const double> values) {
  return std::sqrt(std::inner_product(values.begin(), values.end(), values.begin(), 0.0));
}

double dot(std::span<const double> x, std::span<const float> y) {
  double total = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) total += x[i] * static_cast<double>(y[i]);
  return total;
}

TEST_P(ModelConformance, SaysWhatItIs) {
  const std::int64_t outputs = spec_.predictions > 0 ? spec_.predictions * spec_.vocabulary : kClasses;
  EXPECT_EQ(model_->outputs(), static_cast<std::size_t>(outputs));
  EXPECT_GT(model_->layout()->count(Role::trained), 0U);
  EXPECT_GT(model_->forward_flops(), 0.0);
  const About& about = ModelRegistry::instance().find(name_, "model").about;
  EXPECT_FALSE(about.summary.empty());
  std::set<std::string> names;
  for (const Slice& slice : model_->layout()->slices()) EXPECT_TRUE(names.insert(slice.name).second);
}

TEST_P(ModelConformance, InitializesEverythingByKey) {
  const auto start = [&](std::uint64_t seed, float before) {
    std::vector<float> values(parameters_.size(), before);
    Random random(seed, Stream::init);
    model_->initialize(values, random);
    return values;
  };
  // Whatever was there before is gone, and the key alone decides.
  const auto nan = std::nanf("");
  EXPECT_EQ(start(1, nan), start(1, 7.0F));
}

// Each slice alone along its own gradient and along random directions, and single coordinates.
TEST_P(ModelConformance, GradientIsTheSlopeOfTheSummedLoss) {
  const auto workspace = model_->workspace(kBatch);
  const std::vector<float> gradient = this->gradient(0, kBatch, *workspace);
  Random random(5, Stream::init);
  for (const Slice& slice : model_->layout()->slices()) {
    const std::span<const float> part(gradient.data() + slice.offset, slice.size);
    if (slice.role != Role::trained) {
      EXPECT_TRUE(std::all_of(part.begin(), part.end(), [](float value) { return value == 0.0F; }))
          << slice.name;
      continue;
    }
    std::vector<double> direction(gradient.size(), 0.0);
    const std::span<double> within(direction.data() + slice.offset, slice.size);
    const double length = std::sqrt(std::inner_product(part.begin(), part.end(), part.begin(), 0.0));
    ASSERT_GT(length, 0.0) << slice.name << " has no gradient at all";

    for (std::size_t i = 0; i < slice.size; ++i) within[i] = static_cast<double>(part[i]) / length;
    EXPECT_NEAR(slope(direction, *workspace), length, 0.02 * length + 2e-3)
        << slice.name << " along its gradient";

    for (int trial = 0; trial < 3; ++trial) {
      // Half along the gradient, so that the slope is not lost in rounding, half at random.
      for (std::size_t i = 0; i < slice.size; ++i) within[i] = random.normal();
      const double noise = norm(within);
      for (std::size_t i = 0; i < slice.size; ++i)
        within[i] = (within[i] / noise + static_cast<double>(part[i]) / length) * 0.7;
      EXPECT_NEAR(slope(direction, *workspace), dot(direction, gradient), 0.02 * length + 2e-3) << slice.name;
    }
    std::fill(within.begin(), within.end(), 0.0);
    const auto largest = static_cast<std::size_t>(
        std::max_element(part.begin(), part.end(),
                         [](float x, float y) { return std::abs(x) < std::abs(y); }) -
        part.begin());
    for (const std::size_t i : {largest, static_cast<std::size_t>(random.below(slice.size))}) {
      within[i] = 1.0;
      EXPECT_NEAR(slope(direction, *workspace), static_cast<double>(part[i]),
                  0.02 * std::abs(static_cast<double>(part[largest])) + 2e-3)
          << slice.name << "[" << i << "]";
      within[i] = 0.0;
    }
  }
}

// With dropout and batch statistics, which are fixed by the same random sequence in every pass.
TEST_P(ModelConformance, GradientInTrainingIsTheSlopeToo) {
  const auto workspace = model_->workspace(kBatch);
  const Batch batch = examples_->batch(0, kBatch);
  std::vector<float> logit_gradient(kBatch * model_->outputs());
  const auto loss_of = [&](std::span<const float> parameters) {
    Random random(4, Stream::dropout);
    const auto logits = model_->forward(parameters, batch, *workspace, {.training = true, .random = &random});
    return softmax_cross_entropy(logits, batch, logit_gradient).loss;
  };
  (void)loss_of(parameters_);
  std::vector<float> gradient(parameters_.size(), std::nanf(""));
  model_->backward(parameters_, batch, *workspace, logit_gradient, gradient, {});
  for (const Slice& slice : model_->layout()->slices()) {
    if (slice.role != Role::trained) continue;
    const std::span<const float> part(gradient.data() + slice.offset, slice.size);
    const double length = std::sqrt(std::inner_product(part.begin(), part.end(), part.begin(), 0.0));
    std::vector<float> moved = parameters_;
    const auto loss_at = [&](double step) {
      for (std::size_t i = 0; i < slice.size && length > 0.0; ++i)
        moved[slice.offset + i] = static_cast<float>(static_cast<double>(parameters_[slice.offset + i]) +
                                                     step * static_cast<double>(part[i]) / length);
      return loss_of(moved);
    };
    constexpr double kStep = 1e-3;
    const double slope = (loss_at(kStep) - loss_at(-kStep)) / (2.0 * kStep);
    EXPECT_NEAR(slope, length, 0.02 * length + 3e-3) << slice.name;
  }
}

TEST_P(ModelConformance, InputGradientIsTheSlopeInTheFeatures) {
  if (spec_.vocabulary > 0) GTEST_SKIP() << "tokens have no gradient";
  const auto workspace = model_->workspace(kBatch);
  std::vector<float> input_gradient(kBatch * examples_->width, std::nanf(""));
  (void)gradient(0, kBatch, *workspace, {.input_gradient = input_gradient});
  const double length = std::sqrt(
      std::inner_product(input_gradient.begin(), input_gradient.end(), input_gradient.begin(), 0.0));
  const std::vector<float> features = examples_->features;
  constexpr double kStep = 4e-3;
  const auto loss_at = [&](double step) {
    for (std::size_t i = 0; i < features.size(); ++i)
      examples_->features[i] = static_cast<float>(static_cast<double>(features[i]) +
                                                  step * static_cast<double>(input_gradient[i]) / length);
    return loss(parameters_, *workspace);
  };
  EXPECT_NEAR((loss_at(kStep) - loss_at(-kStep)) / (2.0 * kStep), length, 0.02 * length + 2e-3);
}

TEST_P(ModelConformance, GradientIsTheSumOverExamples) {
  const auto workspace = model_->workspace(kBatch);
  const std::vector<float> whole = gradient(0, kBatch, *workspace);
  std::vector<double> sum(whole.size(), 0.0);
  std::vector<double> norms(kBatch);
  for (std::size_t i = 0; i < kBatch; ++i) {
    const std::vector<float> one = gradient(i, 1, *workspace);
    for (std::size_t j = 0; j < sum.size(); ++j) sum[j] += static_cast<double>(one[j]);
    norms[i] = std::inner_product(one.begin(), one.end(), one.begin(), 0.0);
  }
  const double scale = norm(sum);
  for (std::size_t j = 0; j < sum.size(); ++j)
    ASSERT_NEAR(static_cast<double>(whole[j]), sum[j], 1e-5 * scale) << "parameter " << j;

  // Per-example norms and weights, and both beside each other.
  std::vector<double> reported(kBatch, std::nan(""));
  const std::vector<float> with_norms = gradient(0, kBatch, *workspace, {.example_square_norms = reported});
  for (std::size_t i = 0; i < kBatch; ++i) EXPECT_NEAR(reported[i], norms[i], 1e-3 * norms[i] + 1e-9);
  for (std::size_t j = 0; j < sum.size(); ++j) ASSERT_NEAR(with_norms[j], whole[j], 1e-5 * scale);
  const std::vector<float> twice(kBatch, 2.0F);
  const std::vector<float> doubled = gradient(0, kBatch, *workspace, {.example_weights = twice});
  for (std::size_t j = 0; j < sum.size(); ++j) ASSERT_NEAR(doubled[j], 2.0F * whole[j], 2e-5 * scale);
}

// Const, and deterministic to the bit: another workspace, also a larger one, and a second call change
// nothing.
TEST_P(ModelConformance, SameBitsInEveryWorkspace) {
  const auto first = model_->workspace(kBatch);
  const auto second = model_->workspace(3 * kBatch);
  const auto run = [&](Workspace& workspace) {
    std::vector<float> result = gradient(0, kBatch, workspace);
    const auto logits = model_->forward(parameters_, examples_->batch(0, kBatch), workspace, {});
    result.insert(result.end(), logits.begin(), logits.end());
    return result;
  };
  const std::vector<float> expected = run(*first);
  for (Workspace* workspace : {first.get(), second.get()}) {
    const std::vector<float> again = run(*workspace);
    EXPECT_EQ(std::memcmp(again.data(), expected.data(), expected.size() * sizeof(float)), 0);
  }
}

TEST_P(ModelConformance, LogitsDoNotDependOnTheRestOfTheBatch) {
  const auto workspace = model_->workspace(kBatch);
  const auto all = model_->forward(parameters_, examples_->batch(0, kBatch), *workspace, {});
  const std::vector<float> whole(all.begin(), all.end());
  for (std::size_t i = 0; i < kBatch; ++i) {
    const auto one = model_->forward(parameters_, examples_->batch(i, 1), *workspace, {});
    for (std::size_t j = 0; j < one.size(); ++j)
      EXPECT_NEAR(one[j], whole[i * one.size() + j], 1e-5F * (1.0F + std::abs(one[j]))) << "example " << i;
  }
}

// Cut into pieces that run side by side it is the same model, and threads change no bit.
TEST_P(ModelConformance, PiecesOfABatchAreTheBatch) {
  const std::vector<float> whole = gradient(0, kBatch, *model_->workspace(kBatch));
  const double scale = std::sqrt(std::inner_product(whole.begin(), whole.end(), whole.begin(), 0.0));
  const std::shared_ptr<const Model> plain(std::shared_ptr<const Model>(), model_.get());
  const auto in_pieces = [&](std::size_t threads) {
    const auto model = data_parallel(plain, {.pieces = 4, .threads = threads, .width = examples_->width});
    const auto workspace = model->workspace(kBatch);
    const Batch batch = examples_->batch(0, kBatch);
    const auto logits = model->forward(parameters_, batch, *workspace, {});
    std::vector<float> logit_gradient(logits.size());
    (void)softmax_cross_entropy(logits, batch, logit_gradient);
    std::vector<float> gradient(parameters_.size(), std::nanf(""));
    model->backward(parameters_, batch, *workspace, logit_gradient, gradient, {});
    return gradient;
  };
  const std::vector<float> expected = in_pieces(1);
  for (std::size_t j = 0; j < whole.size(); ++j)
    ASSERT_NEAR(expected[j], whole[j], 1e-5 * scale) << "parameter " << j;
  const std::vector<float> threaded = in_pieces(3);
  EXPECT_EQ(std::memcmp(threaded.data(), expected.data(), expected.size() * sizeof(float)), 0);
}

// A joined step is backward and then plain SGD to the bit, on batches that dense layers join and larger ones,
// and leaves all but trained slices alone.
TEST_P(ModelConformance, DescendingIsBackwardAndThenPlainSgd) {
  const auto sgd = OptimizerRegistry::instance().find("sgd", "optimizer").make(ConfigNode());
  sgd->reset(*model_->layout());
  const auto workspace = model_->workspace(20);
  const Examples examples(spec_, 20);
  for (const std::size_t count : {std::size_t{1}, std::size_t{7}, std::size_t{20}}) {
    const Batch batch = examples.batch(0, count);
    std::vector<float> logit_gradient(count * model_->outputs());
    std::vector<float> gradient(parameters_.size(), std::nanf(""));
    const auto forward = [&](std::span<float> parameters) {
      Random random(4, Stream::dropout);
      const auto logits = model_->forward(parameters, batch, *workspace,
                                          {.training = true, .random = &random, .statistics = parameters});
      (void)softmax_cross_entropy(logits, batch, logit_gradient);
    };
    std::vector<float> apart = parameters_;
    forward(apart);
    model_->backward(apart, batch, *workspace, logit_gradient, gradient, {});
    sgd->step(*model_->layout(), apart, gradient, 0.05);
    std::vector<float> joined = parameters_;
    forward(joined);
    model_->descend(joined, batch, *workspace, logit_gradient, gradient, 0.05F);
    EXPECT_NE(joined, parameters_);
    EXPECT_EQ(std::memcmp(joined.data(), apart.data(), joined.size() * sizeof(float)), 0) << count;
  }
}

TEST_P(ModelConformance, FeaturesBelongToTheLatestForward) {
  const auto workspace = model_->workspace(kBatch);
  for (const std::size_t count : {kBatch, std::size_t{2}}) {
    (void)model_->forward(parameters_, examples_->batch(0, count), *workspace, {});
    EXPECT_EQ(model_->features(*workspace).size(), count * model_->feature_width());
  }
}

class CountingObserver final : public LayerObserver {
 public:
  void layer_input(std::string_view layer, std::span<const float> values, std::size_t rows,
                   std::size_t width) override {
    EXPECT_FALSE(layer.empty());
    EXPECT_EQ(values.size(), rows * width);
    layers.emplace(layer);
  }
  std::set<std::string> layers;
};

TEST_P(ModelConformance, ObserverSeesLayersAndChangesNothing) {
  const auto workspace = model_->workspace(kBatch);
  const Batch batch = examples_->batch(0, kBatch);
  const auto logits = model_->forward(parameters_, batch, *workspace, {});
  const std::vector<float> expected(logits.begin(), logits.end());
  CountingObserver observer;
  const auto observed = model_->forward(parameters_, batch, *workspace, {.observer = &observer});
  EXPECT_TRUE(std::equal(observed.begin(), observed.end(), expected.begin(), expected.end()));
  EXPECT_FALSE(observer.layers.empty());
  for (const std::string& layer : observer.layers)
    EXPECT_NE(model_->layout()->find(layer + ".weight"), nullptr) << layer << " is not a layer with weights";
}

INSTANTIATE_TEST_SUITE_P(Registry, ModelConformance, ::testing::ValuesIn(testing::models_and_variants()),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace fedloom
