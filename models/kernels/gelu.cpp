// The derivative is Phi(x) + x phi(x).
#include "models/kernels/gelu.hpp"

#include <algorithm>
#include <array>

#include "models/kernels/vector_math.hpp"

namespace fedloom {

namespace {

constexpr int kLanes = 8;
using Vector = simd::Floats<kLanes>;

FEDLOOM_ALWAYS_INLINE void gelu(float* value, float* slope) {
  const auto x = simd::load<Vector>(value);
  const simd::Normal<kLanes> normal = simd::normal<kLanes>(x);
  simd::store(value, x * normal.integral);
  simd::store(slope, normal.integral + x * normal.density);
}

}  // namespace

FEDLOOM_SIMD_CLONES
void gelu_with_slope(float* values, float* slope, std::size_t n) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) gelu(values + i, slope + i);
  if (i == n) return;
  std::array<float, kLanes> last{};
  std::array<float, kLanes> last_slope{};
  std::copy_n(values + i, n - i, last.begin());
  gelu(last.data(), last_slope.data());
  std::copy_n(last.begin(), n - i, values + i);
  std::copy_n(last_slope.begin(), n - i, slope + i);
}

FEDLOOM_SIMD_CLONES
void multiply(float* __restrict gradient, const float* __restrict slope, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) gradient[i] *= slope[i];
}

}  // namespace fedloom
