// Softmax cross-entropy, fused with its gradient.
#include "models/loss.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"

namespace fedloom {

namespace {

// First index of the largest value.
std::size_t arg_max(const float* values, std::size_t n) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < n; ++i)
    if (values[i] > values[best]) best = i;
  return best;
}

}  // namespace

LossSum softmax_cross_entropy(std::span<const float> logits, std::span<const std::int32_t> labels,
                              std::size_t classes, std::span<float> logit_gradient) {
  FEDLOOM_CHECK(logits.size() == labels.size() * classes, "{} logits for {} labels of {} classes",
                logits.size(), labels.size(), classes);
  FEDLOOM_CHECK(logit_gradient.empty() || logit_gradient.size() == logits.size(),
                "a gradient of {} for {} logits", logit_gradient.size(), logits.size());
  LossSum total;
  for (std::size_t example = 0; example < labels.size(); ++example) {
    const float* row = logits.data() + example * classes;
    float* gradient = logit_gradient.empty() ? nullptr : logit_gradient.data() + example * classes;
    if (labels[example] == kNoTarget) {
      if (gradient != nullptr) std::fill_n(gradient, classes, 0.0F);
      continue;
    }
    FEDLOOM_CHECK(labels[example] >= 0 && static_cast<std::size_t>(labels[example]) < classes,
                  "label {} of {} classes", labels[example], classes);
    const auto label = static_cast<std::size_t>(labels[example]);
    const std::size_t best = arg_max(row, classes);
    total.correct += best == label ? 1 : 0;

    // Shifted by the largest logit, every exponential is at most 1 and their sum at least 1.
    double normaliser = 0.0;
    for (std::size_t i = 0; i < classes; ++i) {
      const float power = std::exp(row[i] - row[best]);
      normaliser += static_cast<double>(power);
      if (gradient != nullptr) gradient[i] = power;
    }
    total.loss += std::log(normaliser) - static_cast<double>(row[label] - row[best]);
    if (gradient == nullptr) continue;

    const auto scale = static_cast<float>(1.0 / normaliser);
    for (std::size_t i = 0; i < classes; ++i) {
      const float probability = gradient[i] * scale;
      // Denormal numbers carry no information here and are slow in every product that follows.
      gradient[i] = probability < std::numeric_limits<float>::min() ? 0.0F : probability;
    }
    gradient[label] -= 1.0F;
  }
  return total;
}

LossSum softmax_cross_entropy(std::span<const float> logits, const Batch& batch,
                              std::span<float> logit_gradient) {
  const std::span<const std::int32_t> labels = batch.labels();
  FEDLOOM_CHECK(!labels.empty() && logits.size() % labels.size() == 0, "{} logits for {} targets",
                logits.size(), labels.size());
  return softmax_cross_entropy(logits, labels, logits.size() / labels.size(), logit_gradient);
}

}  // namespace fedloom
