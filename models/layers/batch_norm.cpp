// Legend: B examples, C channels of P values, N = B P; x, y (B, C, P), w, b (C), mu, r (C) mean and
// 1 / sqrt(variance + eps) of a channel; d* is the gradient of *.
//   z = (x - mu) r;   y = relu(w z + b);   db = sum dy;   dw = sum dy z
//   batch statistics: dx = r w (dy - mean(dy) - z mean(dy z));   running ones: dx = r w dy
#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "models/elementwise.hpp"
#include "models/kernels/moments.hpp"
#include "models/layers/norm.hpp"

namespace fedloom {

namespace {

constexpr float kEpsilon = 1e-5F;
constexpr float kMomentum = 0.1F;

class BatchNorm final : public Layer {
 public:
  BatchNorm(const std::string& name, const Shape& shape, BatchNormOptions options, ParameterPlan& plan)
      : Layer(name, shape, shape),
        options_(options),
        channels_(static_cast<std::size_t>(shape[0])),
        plane_(input_width() / channels_),
        weight_(plan.add(name + ".weight", {shape[0]})),
        bias_(plan.add(name + ".bias", {shape[0]})) {
    if (!options.running) return;
    mean_ = plan.add_statistic(name + ".running_mean", {shape[0]});
    variance_ = plan.add_statistic(name + ".running_var", {shape[0]});
  }

  std::string mixing_layer() const override { return from_batch(true) ? name() : std::string(); }

  LayerNeeds needs(std::size_t) const override { return {.kept_bytes = 2 * channels_ * sizeof(float)}; }

  void initialize(std::span<float> parameters, Random&) const override {
    const auto fill = [&](const Held& slice, float value) {
      std::fill_n(parameters.begin() + static_cast<std::ptrdiff_t>(slice.offset), slice.size, value);
    };
    fill(weight_, 1.0F);
    fill(bias_, 0.0F);
    fill(mean_, 0.0F);
    fill(variance_, 1.0F);
  }

  void forward(const ForwardPass& pass, const float* x, float* y,
               const LayerStorage& storage) const override {
    auto* kept = reinterpret_cast<float*>(storage.kept);  // NOLINT: kept memory is untyped
    const float* w = pass.parameters + weight_.offset;
    const float* b = pass.parameters + bias_.offset;
    for (std::size_t c = 0; c < channels_; ++c) {
      const Moments moments = moments_of(pass, x + c * plane_, c);
      const float inverse = 1.0F / std::sqrt(moments.variance + kEpsilon);
      kept[2 * c] = moments.mean;
      kept[2 * c + 1] = inverse;
      const float scale = w[c] * inverse;
      for (std::size_t i = 0; i < pass.batch.size; ++i) {
        const std::size_t at = i * input_width() + c * plane_;
        scale_shift(x + at, moments.mean, scale, b[c], options_.relu, y + at, plane_);
      }
    }
  }

  void backward(const BackwardPass& pass, const float* x, const float* y, float* dy, float* dx,
                const LayerStorage& storage) const override {
    const auto* kept = reinterpret_cast<const float*>(storage.kept);  // NOLINT: kept memory is untyped
    const float* w = pass.parameters + weight_.offset;
    const bool meets = from_batch(pass.training);
    if (pass.square_norms != nullptr && meets)
      throw user_error(
          "gradients of single examples do not exist below the batch norm '{}', which mixes the examples of "
          "a batch; choose group norm",
          name());
    if (options_.relu) relu_backward(dy, y, pass.batch.size * input_width());
    for (std::size_t c = 0; c < channels_; ++c) {
      const float mean = kept[2 * c];
      const float inverse = kept[2 * c + 1];
      double plain = 0.0;    // sum of dy
      double centred = 0.0;  // sum of dy z
      for (std::size_t i = 0; i < pass.batch.size; ++i) {
        const std::size_t at = i * input_width() + c * plane_;
        const GradientSums sums = gradient_sums(dy + at, x + at, mean, plane_);
        plain += static_cast<double>(sums.plain);
        centred += static_cast<double>(sums.centred) * static_cast<double>(inverse);
        if (pass.square_norms != nullptr) add_norms(pass.square_norms[i], sums, inverse);
      }
      if (pass.gradient != nullptr && weight_.trained)
        pass.gradient[weight_.offset + c] = static_cast<float>(centred);
      if (pass.gradient != nullptr && bias_.trained)
        pass.gradient[bias_.offset + c] = static_cast<float>(plain);
      if (dx == nullptr) continue;
      const float scale = inverse * w[c];
      const auto N = static_cast<double>(pass.batch.size * plane_);
      const float slope = meets ? -scale * inverse * static_cast<float>(centred / N) : 0.0F;
      const float constant = meets ? -scale * static_cast<float>(plain / N) : 0.0F;
      for (std::size_t i = 0; i < pass.batch.size; ++i) {
        const std::size_t at = i * input_width() + c * plane_;
        combine(dy + at, x + at, mean, scale, slope, constant, dx + at, plane_);
      }
    }
  }

 private:
  struct Moments {
    float mean;
    float variance;
  };

  // Frozen running values mean that the layer is frozen: it then behaves as outside training.
  bool from_batch(bool training) const { return !options_.running || (training && weight_.trained); }

  Moments moments_of(const ForwardPass& pass, const float* x, std::size_t c) const {
    if (!from_batch(pass.options.training))
      return {pass.parameters[mean_.offset + c], pass.parameters[variance_.offset + c]};
    const auto N = static_cast<double>(pass.batch.size * plane_);
    double total = 0.0;
    for (std::size_t i = 0; i < pass.batch.size; ++i)
      total += static_cast<double>(value_sum(x + i * input_width(), plane_));
    const auto mean = static_cast<float>(total / N);
    double squares = 0.0;
    for (std::size_t i = 0; i < pass.batch.size; ++i)
      squares += static_cast<double>(centred_square_sum(x + i * input_width(), mean, plane_));
    const Moments moments{mean, static_cast<float>(squares / N)};
    float* statistics = options_.running ? pass.statistics() : nullptr;
    if (statistics != nullptr) {
      const auto unbiased = static_cast<float>(squares / std::max(N - 1.0, 1.0));
      move(statistics, pass.parameters, mean_.offset + c, moments.mean);
      move(statistics, pass.parameters, variance_.offset + c, unbiased);
    }
    return moments;
  }

  // `statistics` may be the parameters themselves.
  static void move(float* statistics, const float* parameters, std::size_t at, float towards) {
    statistics[at] = (1.0F - kMomentum) * parameters[at] + kMomentum * towards;
  }

  void add_norms(double& norm, const GradientSums& sums, float inverse) const {
    const auto dw = static_cast<double>(sums.centred * inverse);
    const auto db = static_cast<double>(sums.plain);
    norm += (weight_.trained ? dw * dw : 0.0) + (bias_.trained ? db * db : 0.0);
  }

  BatchNormOptions options_;
  std::size_t channels_;
  std::size_t plane_;  // P
  Held weight_;
  Held bias_;
  Held mean_;
  Held variance_;
};

}  // namespace

LayerRecipe batch_norm(std::string name, BatchNormOptions options) {
  return [name = std::move(name), options](const Shape& input, ParameterPlan& plan) {
    if (input.empty()) throw user_error("batch norm '{}' needs channels, found {}", name, to_string(input));
    return std::make_unique<BatchNorm>(name, input, options, plan);
  };
}

}  // namespace fedloom
