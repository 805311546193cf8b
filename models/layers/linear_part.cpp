// Legend: R rows of a block, I inputs, O outputs; x (R, I), y (R, O), W (O, I), b (O); d* is the gradient of
// *.
//   y = x W^T + b;   dW = dy^T x;   db = sum over R of dy;   dx = dy W
#include "models/layers/linear_part.hpp"

#include <algorithm>
#include <cmath>

#include "core/simd.hpp"
#include "models/elementwise.hpp"
#include "models/gemm.hpp"
#include "models/initializer.hpp"
#include "models/layers/outer_norm.hpp"

namespace fedloom {

namespace {

FEDLOOM_SIMD_CLONES
void add_bias_rows(float* __restrict rows, std::size_t stride, const float* __restrict bias,
                   std::size_t count, std::size_t width) {
  for (std::size_t row = 0; row < count; ++row, rows += stride)
    for (std::size_t i = 0; i < width; ++i) rows[i] += bias[i];
}

FEDLOOM_SIMD_CLONES
void add_column_sums(const float* __restrict rows, std::size_t stride, std::size_t count, std::size_t width,
                     float* __restrict sums) {
  for (std::size_t row = 0; row < count; ++row, rows += stride)
    for (std::size_t i = 0; i < width; ++i) sums[i] += rows[i];
}

std::int64_t extent(std::size_t value) { return static_cast<std::int64_t>(value); }

}  // namespace

void LinearPart::declare_weight(ParameterPlan& plan) {
  weight_ = plan.add(name_ + ".weight", {extent(outputs_), extent(inputs_)});
}

void LinearPart::declare_bias(ParameterPlan& plan) { bias_ = plan.add(name_ + ".bias", {extent(outputs_)}); }

void LinearPart::declare_adapters(ParameterPlan& plan) {
  if (plan.adaptation().targets_layer(Adaptation::Method::lora, name_))
    lora_.emplace(name_, inputs_, outputs_, plan);
  if (plan.adaptation().targets_layer(Adaptation::Method::ssf, name_)) ssf_.emplace(name_, outputs_, 1, plan);
}

void LinearPart::initialize(std::span<float> parameters, Random& random) const {
  truncated_normal(parameters.subspan(weight_.offset, weight_.size), random);
  std::fill_n(parameters.data() + bias_.offset, bias_.size, 0.0F);
  if (lora_) lora_->initialize(parameters, random);
  if (ssf_) ssf_->initialize(parameters);
}

double LinearPart::forward_flops() const {
  return 2.0 * static_cast<double>(inputs_) * static_cast<double>(outputs_) +
         (lora_ ? lora_->forward_flops() : 0.0);
}

LayerNeeds LinearPart::needs(std::size_t rows, std::size_t positions) const {
  LayerNeeds needs{.kept_bytes = 0, .scratch_floats = outputs_};
  if (weight_.trained)
    needs.scratch_floats = std::max(needs.scratch_floats, outer_norm_scratch({positions, inputs_, outputs_}));
  if (lora_) {
    const LayerNeeds adapter = lora_->needs(rows, positions);
    needs.kept_bytes = aligned_bytes(adapter.kept_bytes);
    needs.scratch_floats = std::max(needs.scratch_floats, adapter.scratch_floats);
  }
  if (ssf_) {
    needs.kept_bytes += aligned_bytes(ssf_->kept_floats(rows) * sizeof(float));
    needs.scratch_floats = std::max(needs.scratch_floats, ssf_->scratch_floats());
  }
  return needs;
}

// The scale's copy lies behind what the low-rank product keeps, whose size follows the rows of a whole block.
float* LinearPart::ssf_kept(const Block& block) const {
  const std::size_t before = lora_ ? aligned_bytes(lora_->needs(block.rows, 1).kept_bytes) : 0;
  return reinterpret_cast<float*>(block.storage.kept + before);  // NOLINT: kept memory is untyped
}

void LinearPart::observe(const ForwardPass& pass, std::size_t rows, Rows x) const {
  if (pass.options.observer == nullptr) return;
  if (x.stride == inputs_)
    pass.options.observer->layer_input(name_, {x.data, rows * inputs_}, rows, inputs_);
  else
    for (std::size_t row = 0; row < rows; ++row)
      pass.options.observer->layer_input(name_, {x.data + row * x.stride, inputs_}, 1, inputs_);
}

void LinearPart::adapt(const ForwardPass& pass, const Block& block, Rows x, float* y,
                       std::size_t y_stride) const {
  if (lora_) lora_->forward(pass, block.rows, x, y, y_stride, block.storage);
  if (ssf_) ssf_->forward(pass, block.rows, y, y_stride, ssf_kept(block));
}

void LinearPart::forward(const ForwardPass& pass, const Block& block, Rows x, float* y,
                         std::size_t y_stride) const {
  observe(pass, block.rows, x);
  gemm({block.rows, outputs_, inputs_, plain(x.data, x.stride),
        transposed(pass.parameters + weight_.offset, inputs_), y, y_stride});
  add_bias_rows(y, y_stride, pass.parameters + bias_.offset, block.rows, outputs_);
  adapt(pass, block, x, y, y_stride);
}

void LinearPart::add_forward(const ForwardPass& pass, const Block& block, Rows x, float* y,
                             std::size_t y_stride) const {
  observe(pass, block.rows, x);
  add_bias_rows(y, y_stride, pass.parameters + bias_.offset, block.rows, outputs_);
  gemm({block.rows, outputs_, inputs_, plain(x.data, x.stride),
        transposed(pass.parameters + weight_.offset, inputs_), y, y_stride, true});
  adapt(pass, block, x, y, y_stride);
}

void LinearPart::backward(const BackwardPass& pass, const Block& block, Rows x, float* dy,
                          std::size_t dy_stride, float* dx) const {
  backward_scale(pass, block, dy, dy_stride);
  backward_base(pass, block, x, dy, dy_stride, true);
  if (dx != nullptr)
    gemm({block.rows, inputs_, outputs_, plain(dy, dy_stride),
          plain(pass.parameters + weight_.offset, inputs_), dx, inputs_});
  backward_lora(pass, block, x, dy, dy_stride, dx, inputs_);
}

void LinearPart::backward_scale(const BackwardPass& pass, const Block& block, float* dy,
                                std::size_t dy_stride) const {
  if (ssf_)
    ssf_->backward(pass, block.rows / pass.batch.size, dy, dy_stride, ssf_kept(block), block.accumulate,
                   block.storage.scratch);
}

void LinearPart::backward_base(const BackwardPass& pass, const Block& block, Rows x, const float* dy,
                               std::size_t dy_stride, bool weight) const {
  const std::size_t T = block.rows / pass.batch.size;
  const bool with_weight = weight && weight_.trained;
  if (pass.gradient != nullptr && with_weight)
    gemm({outputs_, inputs_, block.rows, transposed(dy, dy_stride), plain(x.data, x.stride),
          pass.gradient + weight_.offset, inputs_, block.accumulate});
  if (pass.gradient != nullptr && bias_.trained) {
    if (!block.accumulate) std::fill_n(pass.gradient + bias_.offset, outputs_, 0.0F);
    add_column_sums(dy, dy_stride, block.rows, outputs_, pass.gradient + bias_.offset);
  }
  if (pass.square_norms == nullptr) return;
  float* scratch = block.storage.scratch;
  for (std::size_t i = 0; i < pass.batch.size; ++i) {
    const float* own = dy + i * T * dy_stride;
    if (with_weight)
      pass.square_norms[i] += outer_square_norm({T, inputs_, outputs_}, x.data + i * T * x.stride, x.stride,
                                                own, dy_stride, scratch);
    if (!bias_.trained) continue;
    std::fill_n(scratch, outputs_, 0.0F);
    add_column_sums(own, dy_stride, T, outputs_, scratch);
    pass.square_norms[i] += square_norm(scratch, outputs_);
  }
}

void LinearPart::backward_lora(const BackwardPass& pass, const Block& block, Rows x, const float* dy,
                               std::size_t dy_stride, float* dx, std::size_t dx_stride) const {
  if (lora_)
    lora_->backward(pass, block.rows / pass.batch.size, x, {dy, dy_stride}, dx, dx_stride, block.storage,
                    block.accumulate);
}

}  // namespace fedloom
