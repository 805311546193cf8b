// Legend: R rows, T positions of an example, I inputs, O outputs, r rank, s = alpha / r; x (R, I), h (R, r),
// y (R, O), A (r, I), B (O, r); d* is the gradient of *.
//   h = s x A^T;  y += h B^T;   dB = dy^T h;  dh = s dy B;  dA = dh^T x;  dx += dh A
// With dropout x is replaced by x * mask / (1 - p) throughout.
#include "models/adapters/lora.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "models/elementwise.hpp"
#include "models/gemm.hpp"
#include "models/layers/outer_norm.hpp"

namespace fedloom {

namespace {

constexpr std::string_view kFirst = ".lora_A.weight";
constexpr std::string_view kSecond = ".lora_B.weight";

void scale(float* values, std::size_t n, float factor) {
  for (std::size_t i = 0; i < n; ++i) values[i] *= factor;
}

}  // namespace

Bounds lora_initializer_names() { return one_of({"kaiming_uniform", "gaussian"}); }

LowRank::LowRank(const std::string& name, std::size_t inputs, std::size_t outputs, ParameterPlan& plan)
    : inputs_(inputs),
      outputs_(outputs),
      rank_(static_cast<std::size_t>(plan.adaptation().rank)),
      scale_(static_cast<float>(plan.adaptation().alpha / static_cast<double>(plan.adaptation().rank))),
      dropout_(static_cast<float>(plan.adaptation().dropout)),
      gaussian_(plan.adaptation().initializer == "gaussian") {
  if (rank_ < 1 || rank_ > std::min(inputs, outputs))
    throw user_error(
        "adapter: rank {} for '{}', whose weight is {} x {}; a rank between 1 and {} is smaller than the "
        "weight itself",
        rank_, name, outputs, inputs, std::min(inputs, outputs));
  const auto extent = [](std::size_t value) { return static_cast<std::int64_t>(value); };
  a_ = plan.add_adapter(name + std::string(kFirst), {extent(rank_), extent(inputs)});
  b_ = plan.add_adapter(name + std::string(kSecond), {extent(outputs), extent(rank_)});
  plan.note_adapter();
}

void LowRank::initialize(std::span<float> parameters, Random& random) const {
  const std::span<float> a = parameters.subspan(a_.offset, a_.size);
  const double limit = 1.0 / std::sqrt(static_cast<double>(inputs_));
  const double deviation = 1.0 / static_cast<double>(rank_);
  for (float& value : a)
    value = static_cast<float>(gaussian_ ? random.normal(0.0, deviation) : random.uniform(-limit, limit));
  std::fill_n(parameters.begin() + static_cast<std::ptrdiff_t>(b_.offset), b_.size, 0.0F);
}

LayerNeeds LowRank::needs(std::size_t rows, std::size_t positions) const {
  const std::size_t copy = dropout_ > 0.0F ? rows * inputs_ : 0;
  const std::size_t norms = std::max(outer_norm_scratch({positions, inputs_, rank_}),
                                     outer_norm_scratch({positions, rank_, outputs_}));
  return {.kept_bytes = aligned_bytes(rows * rank_ * sizeof(float)) + copy,
          .scratch_floats = aligned_floats(rows * rank_) + 2 * aligned_floats(copy) + norms};
}

std::uint8_t* LowRank::mask(const LayerStorage& storage, std::size_t rows) const {
  return storage.kept + aligned_bytes(rows * rank_ * sizeof(float));
}

LowRank::Rows LowRank::dropped(std::size_t rows, Rows x, const std::uint8_t* mask, float* scratch) const {
  const float factor = 1.0F / (1.0F - dropout_);
  for (std::size_t row = 0; row < rows; ++row)
    for (std::size_t i = 0; i < inputs_; ++i)
      scratch[row * inputs_ + i] = mask[row * inputs_ + i] != 0 ? x.data[row * x.stride + i] * factor : 0.0F;
  return {scratch, inputs_};
}

void LowRank::forward(const ForwardPass& pass, std::size_t rows, Rows x, float* y, std::size_t y_stride,
                      const LayerStorage& storage) const {
  auto* h = reinterpret_cast<float*>(storage.kept);  // NOLINT: kept memory is untyped
  if (drops(pass.options.training)) {
    FEDLOOM_CHECK(pass.options.random != nullptr, "dropout needs a random sequence");
    std::uint8_t* kept = mask(storage, rows);
    for (std::size_t i = 0; i < rows * inputs_; ++i)
      kept[i] = pass.options.random->uniform() < static_cast<double>(dropout_) ? 0 : 1;
    x = dropped(rows, x, kept, storage.scratch);
  }
  gemm({rows, rank_, inputs_, plain(x.data, x.stride), transposed(pass.parameters + a_.offset, inputs_), h,
        rank_});
  scale(h, rows * rank_, scale_);
  gemm({rows, outputs_, rank_, plain(h, rank_), transposed(pass.parameters + b_.offset, rank_), y, y_stride,
        true});
}

void LowRank::backward(const BackwardPass& pass, std::size_t positions, Rows x, Rows dy, float* dx,
                       std::size_t dx_stride, const LayerStorage& storage, bool accumulate) const {
  const std::size_t rows = pass.batch.size * positions;
  const auto* h = reinterpret_cast<const float*>(storage.kept);  // NOLINT: kept memory is untyped
  float* dh = storage.scratch;
  float* copy = dh + aligned_floats(rows * rank_);
  float* more = copy + (dropout_ > 0.0F ? aligned_floats(rows * inputs_) : 0);  // dx before its mask
  float* norms = more + (dropout_ > 0.0F ? aligned_floats(rows * inputs_) : 0);
  const bool dropping = drops(pass.training);
  if (dropping) x = dropped(rows, x, mask(storage, rows), copy);

  gemm({rows, rank_, outputs_, plain(dy.data, dy.stride), plain(pass.parameters + b_.offset, rank_), dh,
        rank_});
  scale(dh, rows * rank_, scale_);
  if (pass.gradient != nullptr && b_.trained)
    gemm({outputs_, rank_, rows, transposed(dy.data, dy.stride), plain(h, rank_), pass.gradient + b_.offset,
          rank_, accumulate});
  if (pass.gradient != nullptr && a_.trained)
    gemm({rank_, inputs_, rows, transposed(dh, rank_), plain(x.data, x.stride), pass.gradient + a_.offset,
          inputs_, accumulate});
  if (pass.square_norms != nullptr)
    for (std::size_t i = 0; i < pass.batch.size; ++i) {
      const std::size_t first = i * positions;
      if (a_.trained)
        pass.square_norms[i] += outer_square_norm({positions, inputs_, rank_}, x.data + first * x.stride,
                                                  x.stride, dh + first * rank_, rank_, norms);
      if (b_.trained)
        pass.square_norms[i] += outer_square_norm({positions, rank_, outputs_}, h + first * rank_, rank_,
                                                  dy.data + first * dy.stride, dy.stride, norms);
    }
  if (dx == nullptr) return;
  const MatrixView a = plain(pass.parameters + a_.offset, inputs_);
  if (!dropping) {
    gemm({rows, inputs_, rank_, plain(dh, rank_), a, dx, dx_stride, true});
    return;
  }
  gemm({rows, inputs_, rank_, plain(dh, rank_), a, more, inputs_});
  const std::uint8_t* kept = mask(storage, rows);
  const float factor = 1.0F / (1.0F - dropout_);
  for (std::size_t row = 0; row < rows; ++row)
    for (std::size_t i = 0; i < inputs_; ++i)
      if (kept[row * inputs_ + i] != 0) dx[row * dx_stride + i] += more[row * inputs_ + i] * factor;
}

double LowRank::forward_flops() const {
  return 2.0 * static_cast<double>(rank_) * static_cast<double>(inputs_ + outputs_);
}

void merge_lora(const Layout& layout, std::span<float> parameters, double alpha, double sign) {
  FEDLOOM_CHECK(parameters.size() == layout.size(), "{} parameters for a layout of {}", parameters.size(),
                layout.size());
  for (const Slice& first : layout.slices()) {
    if (!first.name.ends_with(kFirst)) continue;
    const std::string name = first.name.substr(0, first.name.size() - kFirst.size());
    const Slice& second = layout.at(name + std::string(kSecond));
    const Slice& weight = layout.at(name + ".weight");
    const auto rank = static_cast<std::size_t>(first.shape[0]);
    const auto inputs = static_cast<std::size_t>(first.shape[1]);
    const auto outputs = static_cast<std::size_t>(second.shape[0]);
    FEDLOOM_CHECK(weight.size == inputs * outputs, "the factors of '{}' do not fit its weight", name);
    const auto factor = static_cast<float>(sign * alpha / static_cast<double>(rank));
    for (std::size_t o = 0; o < outputs; ++o)
      for (std::size_t k = 0; k < rank; ++k)
        add_scaled(parameters.data() + weight.offset + o * inputs,
                   parameters.data() + first.offset + k * inputs,
                   factor * parameters[second.offset + o * rank + k], inputs);
  }
}

}  // namespace fedloom
