// Legend, of one head: q (Q, W), k and v (T, W), s and p (Q, T), o (Q, W); d* is the gradient of *.
//   s = q k^T / sqrt(W);  p = softmax(s);  o = p v
//   dp = do v^T;  dv = p^T do;  ds = p (dp - sum over T of p dp) / sqrt(W);  dq = ds k;  dk = ds^T q
// Rows of s and p are padded to whole vectors, so that the softmax has no remainder.
#include "models/layers/attention_core.hpp"

#include <cmath>

#include "models/gemm.hpp"
#include "models/kernels/vector_math.hpp"

namespace fedloom {

namespace {

constexpr int kLanes = 8;
using Vector = simd::Floats<kLanes>;
using Mask = simd::Ints<kLanes>;

FEDLOOM_ALWAYS_INLINE float total(const Vector& lanes) {
  float sum = 0.0F;
  for (int lane = 0; lane < kLanes; ++lane) sum += lanes[lane];
  return sum;
}

FEDLOOM_SIMD_CLONES
void softmax_rows(std::size_t count, std::size_t row, float scale, const std::int32_t* real, float* rows) {
  constexpr float kLowest = -3e38F;
  for (std::size_t r = 0; r < count; ++r, rows += row) {
    Vector highest = Vector{} + kLowest;
    for (std::size_t i = 0; i < row; i += kLanes) {
      Vector value = simd::load<Vector>(rows + i) * scale;
      value = simd::load<Mask>(real + i) != 0 ? value : Vector{} + kLowest;
      simd::store(rows + i, value);
      highest = value > highest ? value : highest;
    }
    float top = highest[0];
    for (int lane = 1; lane < kLanes; ++lane) top = highest[lane] > top ? highest[lane] : top;
    Vector sums{};
    for (std::size_t i = 0; i < row; i += kLanes) {
      const Vector power = simd::keep<kLanes>(simd::exp<kLanes>(simd::load<Vector>(rows + i) - top),
                                              simd::load<Mask>(real + i));
      simd::store(rows + i, power);
      sums += power;
    }
    const float sum = total(sums);
    const float share = sum > 0.0F || std::isnan(sum) ? 1.0F / sum : 0.0F;
    for (std::size_t i = 0; i < row; i += kLanes) simd::store(rows + i, simd::load<Vector>(rows + i) * share);
  }
}

FEDLOOM_SIMD_CLONES
void softmax_rows_backward(std::size_t count, std::size_t row, float scale, const float* p, float* dp) {
  for (std::size_t r = 0; r < count; ++r, p += row, dp += row) {
    Vector sums{};
    for (std::size_t i = 0; i < row; i += kLanes)
      sums += simd::load<Vector>(p + i) * simd::load<Vector>(dp + i);
    const float mean = total(sums);
    for (std::size_t i = 0; i < row; i += kLanes)
      simd::store(dp + i, simd::load<Vector>(p + i) * (simd::load<Vector>(dp + i) - mean) * scale);
  }
}

float scale_of(const AttentionForm& form) { return 1.0F / std::sqrt(static_cast<float>(form.width)); }

}  // namespace

void attend(const AttentionForm& form, const AttentionInput& input, const std::int32_t* real, float* weights,
            float* output, std::size_t output_stride) {
  const auto [H, W, Q, T] = form;
  const std::size_t row = form.row();
  for (std::size_t head = 0; head < H; ++head) {
    const std::size_t at = head * W;
    float* p = weights + head * Q * row;
    gemm({Q, T, W, plain(input.query + at, input.query_stride), transposed(input.key + at, input.stride), p,
          row});
    softmax_rows(Q, row, scale_of(form), real, p);
    gemm({Q, W, T, plain(p, row), plain(input.value + at, input.stride), output + at, output_stride});
  }
}

void attend_backward(const AttentionForm& form, const AttentionInput& input, const float* weights,
                     const float* output_gradient, std::size_t output_stride,
                     const AttentionGradient& gradient, float* scratch) {
  const auto [H, W, Q, T] = form;
  const std::size_t row = form.row();
  for (std::size_t head = 0; head < H; ++head) {
    const std::size_t at = head * W;
    const float* p = weights + head * Q * row;
    const float* d_out = output_gradient + at;
    if (gradient.value != nullptr)
      gemm({T, W, Q, transposed(p, row), plain(d_out, output_stride), gradient.value + at, gradient.stride});
    if (gradient.query == nullptr && gradient.key == nullptr) continue;
    gemm({Q, T, W, plain(d_out, output_stride), transposed(input.value + at, input.stride), scratch, row});
    softmax_rows_backward(Q, row, scale_of(form), p, scratch);
    if (gradient.query != nullptr)
      gemm({Q, W, T, plain(scratch, row), plain(input.key + at, input.stride), gradient.query + at,
            gradient.query_stride});
    if (gradient.key != nullptr)
      gemm({T, W, Q, transposed(scratch, row), plain(input.query + at, input.query_stride), gradient.key + at,
            gradient.stride});
  }
}

}  // namespace fedloom
