// Elementwise kernels: plain loops that the compiler vectorises for each instruction set. Only the two sums
// spell out their partial sums, because the compiler must not reorder additions by itself.
#include "models/elementwise.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "models/vectors.hpp"

namespace fedloom {

FEDLOOM_SIMD_CLONES
void add_scaled(float* __restrict y, const float* __restrict x, float scale, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) y[i] += scale * x[i];
}

FEDLOOM_SIMD_CLONES
void scale(float* values, float factor, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) values[i] *= factor;
}

FEDLOOM_SIMD_CLONES
void add_bias(float* __restrict rows, const float* __restrict bias, std::size_t count, std::size_t width) {
  for (std::size_t row = 0; row < count; ++row, rows += width)
    for (std::size_t i = 0; i < width; ++i) rows[i] += bias[i];
}

FEDLOOM_SIMD_CLONES
void add_bias_relu(float* __restrict rows, const float* __restrict bias, std::size_t count,
                   std::size_t width) {
  for (std::size_t row = 0; row < count; ++row, rows += width) {
    for (std::size_t i = 0; i < width; ++i) {
      const float value = rows[i] + bias[i];
      rows[i] = value < 0.0F ? 0.0F : value;
    }
  }
}

FEDLOOM_SIMD_CLONES
void relu(const float* in, float* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) out[i] = in[i] < 0.0F ? 0.0F : in[i];
}

FEDLOOM_SIMD_CLONES
void bias_plane(const float* __restrict in, float bias, bool relu, std::size_t n, float* __restrict out) {
  const float floor = relu ? 0.0F : -std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < n; ++i) {
    const float value = in[i] + bias;
    out[i] = value < floor ? floor : value;
  }
}

FEDLOOM_SIMD_CLONES
void relu_backward(float* __restrict gradient, const float* __restrict output, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) gradient[i] = output[i] > 0.0F ? gradient[i] : 0.0F;
}

FEDLOOM_SIMD_CLONES
void column_sums(const float* __restrict rows, std::size_t count, std::size_t width, float* __restrict sums) {
  std::fill_n(sums, width, 0.0F);
  for (std::size_t row = 0; row < count; ++row, rows += width)
    for (std::size_t i = 0; i < width; ++i) sums[i] += rows[i];
}

double column_sums_square_norm(const float* rows, std::size_t count, std::size_t width) {
  if (count == 1) return square_norm(rows, width);
  double total = 0.0;
  for (std::size_t i = 0; i < width; ++i) {
    double column = 0.0;
    for (std::size_t row = 0; row < count; ++row) column += static_cast<double>(rows[row * width + i]);
    total += column * column;
  }
  return total;
}

FEDLOOM_SIMD_CLONES
float sum(const float* values, std::size_t n) {
  constexpr std::size_t kLanes = 16;
  using Vector = simd::Floats<kLanes>;
  Vector partial{};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) partial += simd::load<Vector>(values + i);
  float total = 0.0F;
  for (; i < n; ++i) total += values[i];
  for (std::size_t lane = 0; lane < kLanes; ++lane) total += partial[lane];
  return total;
}

FEDLOOM_SIMD_CLONES
double square_norm(const float* values, std::size_t n) {
  constexpr std::size_t kLanes = 8;
  std::array<double, kLanes> partial{};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const auto value = static_cast<double>(values[i + lane]);
      partial[lane] += value * value;
    }
  }
  double total = 0.0;
  for (; i < n; ++i) total += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  for (const double part : partial) total += part;
  return total;
}

}  // namespace fedloom
