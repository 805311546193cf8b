// A model of some layers over a small batch with a fixed linear loss (logits times fixed factors), and what
// every layer must fulfil: gradients are slopes, frozen slices have none, example norms are those of single
// examples.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/sequential.hpp"

namespace fedloom::testing {

struct SequenceScene {
  std::size_t count;
  std::unique_ptr<Model> model;
  std::unique_ptr<Workspace> workspace;
  std::vector<float> parameters;
  std::vector<float> features;
  std::vector<std::int32_t> tokens;
  std::vector<std::uint8_t> mask;
  std::vector<std::int32_t> places;  // of targets
  std::vector<float> factors;
  bool training = true;

  SequenceScene(const ModelContext& context, const std::vector<LayerRecipe>& layers, std::size_t examples = 3)
      : SequenceScene(context.data, sequential(context, layers), examples) {}

  SequenceScene(const DataSpec& data, std::unique_ptr<Model> given, std::size_t examples)
      : count(examples), model(std::move(given)), workspace(model->workspace(count)) {
    Random random(1, Stream::init);
    parameters.resize(model->layout()->size());
    model->initialize(parameters, random);
    // Away from ones and zeros, where wrong gradients can look right.
    for (float& value : parameters) value += static_cast<float>(random.normal(0.0, 0.2));
    const std::size_t values = count * static_cast<std::size_t>(data.width());
    if (data.vocabulary > 0) {
      tokens.resize(values);
      for (std::int32_t& token : tokens)
        token = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(data.vocabulary)));
    } else {
      features.resize(values);
      for (float& value : features) value = static_cast<float>(random.normal());
    }
    factors.resize(count * model->outputs());
    for (float& value : factors) value = static_cast<float>(random.normal());
  }

  Batch batch(std::size_t first, std::size_t size) const {
    Batch batch{.size = size};
    if (!features.empty()) batch.features = features.data() + first * (features.size() / count);
    if (!tokens.empty()) batch.tokens = tokens.data() + first * (tokens.size() / count);
    if (!mask.empty()) batch.mask = mask.data() + first * (mask.size() / count);
    if (!places.empty()) {
      batch.targets_each = places.size() / count;
      batch.places = places.data() + first * batch.targets_each;
    }
    return batch;
  }

  std::vector<float> logits(std::size_t first, std::size_t size) const {
    Random random(9, Stream::dropout);
    const auto values =
        model->forward(parameters, batch(first, size), *workspace, {.training = training, .random = &random});
    return {values.begin(), values.end()};
  }

  double loss() const {
    const std::vector<float> values = logits(0, count);
    double total = 0.0;
    for (std::size_t i = 0; i < values.size(); ++i)
      total += static_cast<double>(values[i]) * static_cast<double>(factors[i]);
    return total;
  }

  std::vector<float> gradient(std::size_t first, std::size_t size,
                              const BackwardOptions& options = {}) const {
    (void)logits(first, size);
    std::vector<float> result(parameters.size(), std::nanf(""));
    const std::size_t outputs = model->outputs();
    model->backward(parameters, batch(first, size), *workspace,
                    std::span(factors).subspan(first * outputs, size * outputs), result, options);
    return result;
  }

  /// `stride` > 1 looks at every so manieth value only.
  void check_slopes(std::size_t stride = 1) {
    std::vector<float> input_gradient(features.size(), std::nanf(""));
    const std::vector<float> found = gradient(0, count, {.input_gradient = input_gradient});
    for (const Slice& slice : model->layout()->slices())
      for (std::size_t i = slice.offset; i < slice.offset + slice.size; ++i) {
        if (slice.role != Role::trained)
          EXPECT_EQ(found[i], 0.0F) << slice.name;
        else if ((i - slice.offset) % stride == 0)
          check_slope(parameters[i], found[i], slice.name);
      }
    for (std::size_t i = 0; i < features.size(); i += stride)
      check_slope(features[i], input_gradient[i], "input");
  }

  void check_slope(float& value, float expected, const std::string& what) {
    constexpr float kStep = 4e-3F;
    const float before = value;
    value = before + kStep;
    const double above = loss();
    value = before - kStep;
    const double below = loss();
    value = before;
    // Float rounding of the loss is about 1e-6, divided by the step; curvature adds to it.
    const double slope = (above - below) / (2.0 * static_cast<double>(kStep));
    EXPECT_NEAR(slope, static_cast<double>(expected), 5e-3 + 0.02 * std::abs(slope)) << what;
  }

  /// The batch's gradient is the sum, and its norms are those, of examples run alone. Not with dropout.
  void check_examples() {
    std::vector<double> norms(count, std::nan(""));
    const std::vector<float> whole = gradient(0, count, {.example_square_norms = norms});
    std::vector<double> sum(whole.size(), 0.0);
    double largest = 0.0;
    for (std::size_t i = 0; i < count; ++i) {
      double norm = 0.0;
      const std::vector<float> one = gradient(i, 1);
      for (std::size_t j = 0; j < one.size(); ++j) {
        sum[j] += static_cast<double>(one[j]);
        norm += static_cast<double>(one[j]) * static_cast<double>(one[j]);
        largest = std::max(largest, std::abs(static_cast<double>(one[j])));
      }
      EXPECT_NEAR(norms[i], norm, 1e-4 * norm) << "example " << i;
    }
    for (std::size_t j = 0; j < sum.size(); ++j)
      ASSERT_NEAR(static_cast<double>(whole[j]), sum[j], 1e-4 * largest) << "value " << j;
  }
};

}  // namespace fedloom::testing
