// Legend: B examples, C channels of P values, G groups of M = C / G channels, N = M P; x, y (B, C, P), w, b
// (C), mu, r (B, G) mean and 1 / sqrt(variance + eps) of a group; d* is the gradient of *.
//   z = (x - mu) r;   y = relu(w z + b);   db = sum dy;   dw = sum dy z
//   dx = r (w dy - mean(w dy) - z mean(w dy z)),   means over the group
#include <array>
#include <cmath>

#include "core/error.hpp"
#include "models/elementwise.hpp"
#include "models/kernels/moments.hpp"
#include "models/layers/norm.hpp"

namespace fedloom {

namespace {

constexpr float kEpsilon = 1e-5F;

class GroupNorm final : public Layer {
 public:
  GroupNorm(const std::string& name, const Shape& shape, std::int64_t groups, bool relu, ParameterPlan& plan)
      : Layer(name, shape, shape),
        channels_(static_cast<std::size_t>(shape[0])),
        groups_(static_cast<std::size_t>(groups)),
        relu_(relu),
        weight_(plan.add(name + ".weight", {shape[0]})),
        bias_(plan.add(name + ".bias", {shape[0]})) {}

  LayerNeeds needs(std::size_t max_batch) const override {
    return {.kept_bytes = 2 * max_batch * groups_ * sizeof(float), .scratch_floats = 2 * channels_};
  }

  void initialize(std::span<float> parameters, Random&) const override {
    std::fill_n(parameters.begin() + static_cast<std::ptrdiff_t>(weight_.offset), channels_, 1.0F);
    std::fill_n(parameters.begin() + static_cast<std::ptrdiff_t>(bias_.offset), channels_, 0.0F);
  }

  void forward(const ForwardPass& pass, const float* x, float* y,
               const LayerStorage& storage) const override {
    const std::size_t P = input_width() / channels_;
    const std::size_t M = channels_ / groups_;
    const float* w = pass.parameters + weight_.offset;
    const float* b = pass.parameters + bias_.offset;
    auto* moments = reinterpret_cast<float*>(storage.kept);  // NOLINT: kept memory is untyped
    for (std::size_t group = 0; group < pass.batch.size * groups_; ++group, x += M * P, y += M * P) {
      const auto N = static_cast<float>(M * P);
      const float mean = value_sum(x, M * P) / N;
      const float inverse = 1.0F / std::sqrt(centred_square_sum(x, mean, M * P) / N + kEpsilon);
      moments[2 * group] = mean;
      moments[2 * group + 1] = inverse;
      const std::size_t first = group % groups_ * M;
      for (std::size_t c = 0; c < M; ++c) {
        const float scale = w[first + c] * inverse;
        scale_shift(x + c * P, mean, scale, b[first + c], relu_, y + c * P, P);
      }
    }
  }

  void backward(const BackwardPass& pass, const float* x, const float* y, float* dy, float* dx,
                const LayerStorage& storage) const override {
    const std::size_t P = input_width() / channels_;
    const std::size_t M = channels_ / groups_;
    const float* w = pass.parameters + weight_.offset;
    const auto* moments = reinterpret_cast<const float*>(storage.kept);  // NOLINT: kept memory is untyped
    float* dw = storage.scratch;                                         // of one example
    float* db = dw + channels_;
    clear(pass);
    for (std::size_t example = 0; example < pass.batch.size; ++example) {
      for (std::size_t group = 0; group < groups_; ++group, x += M * P, y += M * P, dy += M * P) {
        if (relu_) relu_backward(dy, y, M * P);  // here, where the group is near
        const float mean = moments[2 * (example * groups_ + group)];
        const float inverse = moments[2 * (example * groups_ + group) + 1];
        const std::size_t first = group * M;
        float plain = 0.0F;    // sum of w dy
        float centred = 0.0F;  // sum of w dy z
        for (std::size_t c = 0; c < M; ++c) {
          const GradientSums sums = gradient_sums(dy + c * P, x + c * P, mean, P);
          db[first + c] = sums.plain;
          dw[first + c] = sums.centred * inverse;
          plain += w[first + c] * db[first + c];
          centred += w[first + c] * dw[first + c];
        }
        if (dx == nullptr) continue;
        const auto N = static_cast<float>(M * P);
        // -r (plain / N + z centred / N) as a function of x.
        const float slope = -inverse * inverse * centred / N;
        const float constant = -inverse * plain / N;
        for (std::size_t c = 0; c < M; ++c)
          combine(dy + c * P, x + c * P, mean, inverse * w[first + c], slope, constant, dx + c * P, P);
        dx += M * P;
      }
      collect(pass, example, dw, db);
    }
  }

 private:
  void clear(const BackwardPass& pass) const {
    if (pass.gradient == nullptr) return;
    for (const Held& slice : {weight_, bias_})
      if (slice.trained) std::fill_n(pass.gradient + slice.offset, channels_, 0.0F);
  }

  void collect(const BackwardPass& pass, std::size_t example, const float* dw, const float* db) const {
    const std::array<std::pair<const Held*, const float*>, 2> parts{{{&weight_, dw}, {&bias_, db}}};
    for (const auto& [slice, values] : parts) {
      if (!slice->trained) continue;
      if (pass.gradient != nullptr) add_scaled(pass.gradient + slice->offset, values, 1.0F, channels_);
      if (pass.square_norms != nullptr) pass.square_norms[example] += square_norm(values, channels_);
    }
  }

  std::size_t channels_;
  std::size_t groups_;
  bool relu_;
  Held weight_;
  Held bias_;
};

}  // namespace

LayerRecipe group_norm(std::string name, std::int64_t groups, bool relu) {
  FEDLOOM_CHECK(groups >= 1, "group norm '{}' with {} groups", name, groups);
  return [name = std::move(name), groups, relu](const Shape& input, ParameterPlan& plan) {
    if (input.empty() || input[0] % groups != 0)
      throw user_error(
          "group norm '{}' splits the channels of {} into {} groups; the number must divide them", name,
          to_string(input), groups);
    return std::make_unique<GroupNorm>(name, input, groups, relu, plan);
  };
}

}  // namespace fedloom
