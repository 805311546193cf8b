// Nonlinear functions on flat arrays: exponential, logistic, tanh and the Gaussian error linear unit, in
// arithmetic that the compiler vectorises. Polynomials, so results are the same on every C library.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace fedloom {

/// exp(x) to about 2 units in the last place; 0 below -87.3, largest finite beyond 88.3; NaN stays NaN.
/// x = n ln 2 + r with |r| <= ln 2 / 2, then the polynomial of Cephes' expf (S. Moshier).
inline float exponential(float x) {
  constexpr float kHighest = 88.3F;
  constexpr float kLowest = -87.3F;
  const float bounded = x > kHighest ? kHighest : (x < kLowest ? kLowest : x);
  const float n = std::floor(bounded * 1.44269504F + 0.5F);
  const float r = (bounded - n * 0.693359375F) - n * -2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  const auto exponent = static_cast<std::int32_t>(n) + 127;
  const float power = std::bit_cast<float>(exponent << 23);
  return x < kLowest ? 0.0F : p * power;
}

inline float logistic(float x) { return 1.0F / (1.0F + exponential(-x)); }

/// tanh(x), absolute error below 2e-7.
inline float hyperbolic_tangent(float x) { return 2.0F * logistic(2.0F * x) - 1.0F; }

/// Phi(x), the normal distribution function, absolute error below 2e-7: Abramowitz and Stegun, Handbook of
/// Mathematical Functions, 7.1.26, for erf(|x| / sqrt 2).
inline float normal_distribution(float x) {
  const float z = (x < 0.0F ? -x : x) * 0.70710678F;
  const float t = 1.0F / (1.0F + 0.3275911F * z);
  float p = 1.061405429F;
  p = p * t - 1.453152027F;
  p = p * t + 1.421413741F;
  p = p * t - 0.284496736F;
  p = p * t + 0.254829592F;
  const float upper = 0.5F * p * t * exponential(-z * z);
  return x < 0.0F ? upper : 1.0F - upper;
}

/// out := the function of in, n floats; out may be in.
void sigmoid_of(const float* in, float* out, std::size_t n);
void tanh_of(const float* in, float* out, std::size_t n);
void gelu_of(const float* in, float* out, std::size_t n);
/// gradient *= the function's slope, given its output (sigmoid, tanh) or its input (gelu).
void sigmoid_backward(float* gradient, const float* output, std::size_t n);
void tanh_backward(float* gradient, const float* output, std::size_t n);
void gelu_backward(float* gradient, const float* input, std::size_t n);

}  // namespace fedloom
