// Legend: B examples of T positions, R = B T rows of D features; x, y (R, D), moments (R, 2): mean and
// 1 / deviation. The formulas are in row_norm.cpp.
#include "models/layers/layer_norm.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "models/elementwise.hpp"
#include "models/kernels/row_norm.hpp"

namespace fedloom {

namespace {

constexpr float kEpsilon = 1e-5F;

}  // namespace

NormPart::NormPart(const std::string& name, std::size_t features, ParameterPlan& plan)
    : features_(features),
      scale_(plan.add(name + ".weight", {static_cast<std::int64_t>(features)})),
      shift_(plan.add(name + ".bias", {static_cast<std::int64_t>(features)})) {
  if (plan.adaptation().targets_layer(Adaptation::Method::ssf, name)) ssf_.emplace(name, features, 1, plan);
}

void NormPart::initialize(std::span<float> parameters) const {
  std::fill_n(parameters.data() + scale_.offset, features_, 1.0F);
  std::fill_n(parameters.data() + shift_.offset, features_, 0.0F);
  if (ssf_) ssf_->initialize(parameters);
}

LayerNeeds NormPart::needs(std::size_t rows) const {
  const std::size_t moments = aligned_bytes(2 * rows * sizeof(float));
  const std::size_t copy = ssf_ ? aligned_bytes(ssf_->kept_floats(rows) * sizeof(float)) : 0;
  return {.kept_bytes = moments + copy, .scratch_floats = 2 * features_};
}

float* NormPart::moments(const LinearPart::Block& block) const {
  return reinterpret_cast<float*>(block.storage.kept);  // NOLINT: kept memory is untyped
}

float* NormPart::ssf_kept(const LinearPart::Block& block) const {
  // NOLINTNEXTLINE: kept memory is untyped
  return reinterpret_cast<float*>(block.storage.kept + aligned_bytes(2 * block.rows * sizeof(float)));
}

void NormPart::forward(const ForwardPass& pass, const LinearPart::Block& block, const float* x,
                       float* y) const {
  normalize_rows({block.rows, features_}, x, pass.parameters + scale_.offset, pass.parameters + shift_.offset,
                 kEpsilon, y, moments(block));
  if (ssf_) ssf_->forward(pass, block.rows, y, features_, ssf_kept(block));
}

void NormPart::repeat(const float* parameters, const LinearPart::Block& block, const float* x,
                      float* y) const {
  if (ssf_)
    ssf_->apply_rows(parameters, block.rows, ssf_kept(block), features_, y);
  else
    normalize_rows({block.rows, features_}, x, parameters + scale_.offset, parameters + shift_.offset,
                   kEpsilon, y, moments(block));
}

void NormPart::backward(const BackwardPass& pass, const LinearPart::Block& block, const float* x, float* dy,
                        float* dx) const {
  const std::size_t T = block.rows / pass.batch.size;
  const float* scale = pass.parameters + scale_.offset;
  if (ssf_) ssf_->backward(pass, T, dy, features_, ssf_kept(block), block.accumulate, block.storage.scratch);
  NormGradients wanted{.x = dx};
  const bool trained = scale_.trained || shift_.trained;
  float* sums = block.storage.scratch;  // of scale, then of shift
  if (trained && pass.square_norms != nullptr) {
    for (std::size_t i = 0; i < pass.batch.size; ++i) {
      std::fill_n(sums, 2 * features_, 0.0F);
      normalize_rows_backward({T, features_}, x + i * T * features_, scale, moments(block) + 2 * i * T,
                              dy + i * T * features_, {.scale = sums, .shift = sums + features_});
      if (scale_.trained) pass.square_norms[i] += square_norm(sums, features_);
      if (shift_.trained) pass.square_norms[i] += square_norm(sums + features_, features_);
    }
  }
  const bool sum = trained && pass.gradient != nullptr;
  if (sum) {
    std::fill_n(sums, 2 * features_, 0.0F);
    wanted.scale = sums;
    wanted.shift = sums + features_;
  }
  if (sum || dx != nullptr)
    normalize_rows_backward({block.rows, features_}, x, scale, moments(block), dy, wanted);
  if (!sum) return;
  const auto deliver = [&](const Held& held, const float* values) {
    if (!held.trained) return;
    float* to = pass.gradient + held.offset;
    if (!block.accumulate) std::fill_n(to, features_, 0.0F);
    add_scaled(to, values, 1.0F, features_);
  };
  deliver(scale_, sums);
  deliver(shift_, sums + features_);
}

namespace {

class LayerNorm final : public Layer {
 public:
  LayerNorm(const std::string& name, const Shape& shape, ParameterPlan& plan)
      : Layer(name, shape, shape),
        features_(static_cast<std::size_t>(shape.back())),
        part_(name, features_, plan) {}

  LayerNeeds needs(std::size_t max_batch) const override { return part_.needs(max_batch * positions()); }
  void initialize(std::span<float> parameters, Random&) const override { part_.initialize(parameters); }
  double forward_flops() const override { return 5.0 * static_cast<double>(input_width()); }

  void forward(const ForwardPass& pass, const float* x, float* y,
               const LayerStorage& storage) const override {
    part_.forward(pass, {pass.batch.size * positions(), storage}, x, y);
  }

  void backward(const BackwardPass& pass, const float* x, const float*, float* dy, float* dx,
                const LayerStorage& storage) const override {
    part_.backward(pass, {pass.batch.size * positions(), storage}, x, dy, dx);
  }

 private:
  std::size_t positions() const { return input_width() / features_; }

  std::size_t features_;
  NormPart part_;
};

}  // namespace

LayerRecipe layer_norm(std::string name) {
  return [name = std::move(name)](const Shape& input, ParameterPlan& plan) {
    if (input.empty() || input.size() > 2)
      throw user_error("layer norm '{}' works on (features) or (positions, features), found {}", name,
                       to_string(input));
    return std::make_unique<LayerNorm>(name, input, plan);
  };
}

}  // namespace fedloom
