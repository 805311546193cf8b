// Partial sums are spelt out, because the compiler must not reorder additions by itself.
#include "models/kernels/moments.hpp"

#include <limits>

#include "models/vectors.hpp"

namespace fedloom {

namespace {

constexpr int kLanes = 32;  // four chains of additions on AVX2, which hide each other's latency
using Vector = simd::Floats<kLanes>;

// By halves: a tree, which is short and exact enough.
FEDLOOM_ALWAYS_INLINE float total_of(const Vector& partial) {
  const simd::Floats<16> by16 =
      __builtin_shufflevector(partial, partial, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) +
      __builtin_shufflevector(partial, partial, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30,
                              31);
  const simd::Floats<8> by8 = __builtin_shufflevector(by16, by16, 0, 1, 2, 3, 4, 5, 6, 7) +
                              __builtin_shufflevector(by16, by16, 8, 9, 10, 11, 12, 13, 14, 15);
  const simd::Floats<4> by4 =
      __builtin_shufflevector(by8, by8, 0, 1, 2, 3) + __builtin_shufflevector(by8, by8, 4, 5, 6, 7);
  return (by4[0] + by4[2]) + (by4[1] + by4[3]);
}

}  // namespace

FEDLOOM_SIMD_CLONES
float value_sum(const float* x, std::size_t n) {
  Vector partial{};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) partial += simd::load<Vector>(x + i);
  float total = total_of(partial);
  for (; i < n; ++i) total += x[i];
  return total;
}

FEDLOOM_SIMD_CLONES
float centred_square_sum(const float* x, float mean, std::size_t n) {
  Vector partial{};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Vector centred = simd::load<Vector>(x + i) - mean;
    partial += centred * centred;
  }
  float total = total_of(partial);
  for (; i < n; ++i) total += (x[i] - mean) * (x[i] - mean);
  return total;
}

FEDLOOM_SIMD_CLONES
GradientSums gradient_sums(const float* dy, const float* x, float mean, std::size_t n) {
  Vector plain{};
  Vector centred{};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const auto gradient = simd::load<Vector>(dy + i);
    plain += gradient;
    centred += gradient * (simd::load<Vector>(x + i) - mean);
  }
  GradientSums sums{total_of(plain), total_of(centred)};
  for (; i < n; ++i) {
    sums.plain += dy[i];
    sums.centred += dy[i] * (x[i] - mean);
  }
  return sums;
}

FEDLOOM_SIMD_CLONES
void scale_shift(const float* x, float mean, float scale, float shift, bool relu, float* y, std::size_t n) {
  const float floor = relu ? 0.0F : -std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < n; ++i) {
    const float value = scale * (x[i] - mean) + shift;
    y[i] = value < floor ? floor : value;
  }
}

FEDLOOM_SIMD_CLONES
void combine(const float* dy, const float* x, float mean, float a, float b, float c, float* dx,
             std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) dx[i] = a * dy[i] + (b * (x[i] - mean) + c);
}

}  // namespace fedloom
