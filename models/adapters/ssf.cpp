// Legend: R rows, F features of N values each; z, y (R, F, N), scale and shift (F); d* is the gradient of *.
//   y = scale z + shift;   dscale = sum of dy z;   dshift = sum of dy;   dz = scale dy
#include "models/adapters/ssf.hpp"

#include <algorithm>
#include <optional>

#include "core/error.hpp"
#include "core/simd.hpp"
#include "models/elementwise.hpp"

namespace fedloom {

namespace {

constexpr std::string_view kScale = ".ssf_scale";
constexpr std::string_view kShift = ".ssf_shift";

struct Features {
  std::size_t count;
  std::size_t inner;
};

FEDLOOM_SIMD_CLONES
void apply(const Features& f, const float* __restrict z, const float* __restrict scale,
           const float* __restrict shift, float* __restrict y) {
  if (f.inner == 1) {
    for (std::size_t i = 0; i < f.count; ++i) y[i] = scale[i] * z[i] + shift[i];
    return;
  }
  for (std::size_t i = 0; i < f.count; ++i, y += f.inner, z += f.inner)
    for (std::size_t k = 0; k < f.inner; ++k) y[k] = scale[i] * z[k] + shift[i];
}

FEDLOOM_SIMD_CLONES
void add_sums(const Features& f, const float* __restrict z, const float* __restrict dy,
              float* __restrict dscale, float* __restrict dshift) {
  if (f.inner == 1) {
    for (std::size_t i = 0; i < f.count; ++i) {
      dscale[i] += dy[i] * z[i];
      dshift[i] += dy[i];
    }
    return;
  }
  for (std::size_t i = 0; i < f.count; ++i, dy += f.inner, z += f.inner)
    for (std::size_t k = 0; k < f.inner; ++k) {
      dscale[i] += dy[k] * z[k];
      dshift[i] += dy[k];
    }
}

FEDLOOM_SIMD_CLONES
void scale_by(const Features& f, const float* __restrict scale, float* __restrict dy) {
  if (f.inner == 1) {
    for (std::size_t i = 0; i < f.count; ++i) dy[i] *= scale[i];
    return;
  }
  for (std::size_t i = 0; i < f.count; ++i, dy += f.inner)
    for (std::size_t k = 0; k < f.inner; ++k) dy[k] *= scale[i];
}

}  // namespace

ScaleShift::ScaleShift(const std::string& name, std::size_t features, std::size_t inner, ParameterPlan& plan)
    : features_(features),
      inner_(inner),
      scale_(plan.add_adapter(name + std::string(kScale), {static_cast<std::int64_t>(features)})),
      shift_(plan.add_adapter(name + std::string(kShift), {static_cast<std::int64_t>(features)})) {
  plan.note_adapter();
}

void ScaleShift::initialize(std::span<float> parameters) const {
  std::fill_n(parameters.data() + scale_.offset, features_, 1.0F);
  std::fill_n(parameters.data() + shift_.offset, features_, 0.0F);
}

void ScaleShift::forward(const ForwardPass& pass, std::size_t rows, float* y, std::size_t stride,
                         float* kept) const {
  const Features form{features_, inner_};
  const std::size_t width = features_ * inner_;
  for (std::size_t row = 0; row < rows; ++row, y += stride, kept += width) {
    std::copy_n(y, width, kept);
    apply(form, kept, pass.parameters + scale_.offset, pass.parameters + shift_.offset, y);
  }
}

void ScaleShift::apply_rows(const float* parameters, std::size_t rows, const float* z, std::size_t stride,
                            float* y) const {
  const Features form{features_, inner_};
  for (std::size_t row = 0; row < rows; ++row, y += stride, z += stride)
    apply(form, z, parameters + scale_.offset, parameters + shift_.offset, y);
}

void ScaleShift::backward(const BackwardPass& pass, std::size_t positions, float* dy, std::size_t stride,
                          const float* kept, bool accumulate, float* scratch) const {
  const Features form{features_, inner_};
  const std::size_t width = features_ * inner_;
  float* dscale = pass.gradient == nullptr ? nullptr : pass.gradient + scale_.offset;
  float* dshift = pass.gradient == nullptr ? nullptr : pass.gradient + shift_.offset;
  if (pass.gradient != nullptr && !accumulate) {
    std::fill_n(dscale, features_, 0.0F);
    std::fill_n(dshift, features_, 0.0F);
  }
  for (std::size_t example = 0; example < pass.batch.size; ++example) {
    std::fill_n(scratch, 2 * features_, 0.0F);
    for (std::size_t t = 0; t < positions; ++t, dy += stride, kept += width) {
      add_sums(form, kept, dy, scratch, scratch + features_);
      scale_by(form, pass.parameters + scale_.offset, dy);
    }
    if (pass.square_norms != nullptr) pass.square_norms[example] += square_norm(scratch, 2 * features_);
    if (pass.gradient == nullptr) continue;
    add_scaled(dscale, scratch, 1.0F, features_);
    add_scaled(dshift, scratch + features_, 1.0F, features_);
  }
}

namespace {

class ScaleShiftLayer final : public Layer {
 public:
  ScaleShiftLayer(const std::string& name, const Shape& shape, ParameterPlan& plan)
      : Layer(name, shape, shape) {
    if (!plan.adaptation().targets_layer(Adaptation::Method::ssf, name)) return;
    const bool image = shape.size() == 3;
    const auto features = static_cast<std::size_t>(image ? shape[0] : shape.back());
    const std::size_t inner = image ? static_cast<std::size_t>(shape[1] * shape[2]) : 1;
    positions_ = input_width() / (features * inner);
    part_.emplace(name, features, inner, plan);
  }

  bool is_view() const override { return !part_; }

  LayerNeeds needs(std::size_t) const override {
    return {.kept_bytes = 0, .scratch_floats = part_ ? part_->scratch_floats() : 0};
  }

  void initialize(std::span<float> parameters, Random&) const override {
    if (part_) part_->initialize(parameters);
  }

  double forward_flops() const override { return 2.0 * static_cast<double>(input_width()); }

  void forward(const ForwardPass& pass, const float* x, float* y, const LayerStorage&) const override {
    const std::size_t width = input_width() / positions_;
    const std::size_t rows = pass.batch.size * positions_;
    part_->apply_rows(pass.parameters, rows, x, width, y);
  }

  void backward(const BackwardPass& pass, const float* x, const float*, float* dy, float* dx,
                const LayerStorage& storage) const override {
    part_->backward(pass, positions_, dy, input_width() / positions_, x, false, storage.scratch);
    if (dx != nullptr) std::copy_n(dy, pass.batch.size * input_width(), dx);
  }

 private:
  std::size_t positions_ = 1;
  std::optional<ScaleShift> part_;
};

}  // namespace

LayerRecipe ssf_adapter(std::string name) {
  return [name = std::move(name)](const Shape& input, ParameterPlan& plan) {
    return std::make_unique<ScaleShiftLayer>(name, input, plan);
  };
}

void merge_ssf(const Layout& layout, std::span<float> parameters, bool take_out) {
  FEDLOOM_CHECK(parameters.size() == layout.size(), "{} parameters for a layout of {}", parameters.size(),
                layout.size());
  for (const Slice& scales : layout.slices()) {
    if (!scales.name.ends_with(kScale)) continue;
    const std::string name = scales.name.substr(0, scales.name.size() - kScale.size());
    const Slice& weight = layout.at(name + ".weight");
    const Slice* bias = layout.find(name + ".bias");
    if (bias == nullptr)
      throw user_error(
          "the scale and shift of '{}' cannot be merged: the layer has no bias to take the shift", name);
    const float* scale = parameters.data() + scales.offset;
    const float* shift = parameters.data() + layout.at(name + std::string(kShift)).offset;
    const std::size_t width = weight.size / scales.size;
    for (std::size_t o = 0; o < scales.size; ++o) {
      FEDLOOM_CHECK(!take_out || scale[o] != 0.0F, "scale {} of '{}' is zero and cannot be taken out", o,
                    name);
      const float factor = take_out ? 1.0F / scale[o] : scale[o];
      float* w = parameters.data() + weight.offset + o * width;
      for (std::size_t i = 0; i < width; ++i) w[i] *= factor;
      float& b = parameters[bias->offset + o];
      b = take_out ? (b - shift[o]) * factor : b * factor + shift[o];
    }
  }
}

}  // namespace fedloom
