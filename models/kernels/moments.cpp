// Partial sums are spelt out, because the compiler must not reorder additions by itself.
#include "models/kernels/moments.hpp"

#include <limits>

#include "models/vectors.hpp"

namespace fedloom {

namespace {

constexpr std::size_t kLanes = 16;
using Vector = simd::Floats<kLanes>;

FEDLOOM_ALWAYS_INLINE float total_of(const Vector& partial) {
  float total = 0.0F;
  for (std::size_t lane = 0; lane < kLanes; ++lane) total += partial[lane];
  return total;
}

}  // namespace

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
