// Legend: g = dy * scale, h = (x - mean) * rstd.
//   dx = rstd * (g - mean of g - h * mean of (g h));   dscale = sum of dy h;   dshift = sum of dy
// Two passes over a row that is in the nearest cache; sums in 16 lanes and then in order.
#include "models/kernels/row_norm.hpp"

#include <cmath>

#include "models/vectors.hpp"

namespace fedloom {

namespace {

constexpr int kLanes = 16;
using Vector = simd::Floats<kLanes>;

FEDLOOM_ALWAYS_INLINE float total(const Vector& lanes) {
  float sum = 0.0F;
  for (int lane = 0; lane < kLanes; ++lane) sum += lanes[lane];
  return sum;
}

}  // namespace

FEDLOOM_SIMD_CLONES
void normalize_rows(const NormRows& rows, const float* x, const float* scale, const float* shift,
                    float epsilon, float* y, float* moments) {
  const std::size_t D = rows.width;
  const std::size_t whole = D / kLanes * kLanes;
  const float share = 1.0F / static_cast<float>(D);
  for (std::size_t row = 0; row < rows.count; ++row, x += D, y += D) {
    Vector sums{};
    for (std::size_t i = 0; i < whole; i += kLanes) sums += simd::load<Vector>(x + i);
    float sum = total(sums);
    for (std::size_t i = whole; i < D; ++i) sum += x[i];
    const float mean = sum * share;

    Vector squares{};
    for (std::size_t i = 0; i < whole; i += kLanes) {
      const Vector centred = simd::load<Vector>(x + i) - mean;
      squares += centred * centred;
    }
    float square = total(squares);
    for (std::size_t i = whole; i < D; ++i) square += (x[i] - mean) * (x[i] - mean);
    const float rstd = 1.0F / std::sqrt(square * share + epsilon);

    moments[2 * row] = mean;
    moments[2 * row + 1] = rstd;
    for (std::size_t i = 0; i < D; ++i) y[i] = (x[i] - mean) * rstd * scale[i] + shift[i];
  }
}

FEDLOOM_SIMD_CLONES
void normalize_rows_backward(const NormRows& rows, const float* x, const float* scale, const float* moments,
                             const float* dy, const NormGradients& gradients) {
  const std::size_t D = rows.width;
  const std::size_t whole = D / kLanes * kLanes;
  const float share = 1.0F / static_cast<float>(D);
  for (std::size_t row = 0; row < rows.count; ++row, x += D, dy += D) {
    const float mean = moments[2 * row];
    const float rstd = moments[2 * row + 1];
    if (gradients.scale != nullptr) {
      float* __restrict dscale = gradients.scale;
      float* __restrict dshift = gradients.shift;
      for (std::size_t i = 0; i < D; ++i) {
        dscale[i] += dy[i] * ((x[i] - mean) * rstd);
        dshift[i] += dy[i];
      }
    }
    if (gradients.x == nullptr) continue;

    Vector sums{};
    Vector products{};
    for (std::size_t i = 0; i < whole; i += kLanes) {
      const Vector g = simd::load<Vector>(dy + i) * simd::load<Vector>(scale + i);
      sums += g;
      products += g * ((simd::load<Vector>(x + i) - mean) * rstd);
    }
    float sum = total(sums);
    float product = total(products);
    for (std::size_t i = whole; i < D; ++i) {
      const float g = dy[i] * scale[i];
      sum += g;
      product += g * ((x[i] - mean) * rstd);
    }
    sum *= share;
    product *= share;

    float* __restrict dx = gradients.x + row * D;
    for (std::size_t i = 0; i < D; ++i)
      dx[i] = rstd * (dy[i] * scale[i] - sum - (x[i] - mean) * rstd * product);
  }
}

}  // namespace fedloom
