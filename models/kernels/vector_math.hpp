// Elementary functions on vectors of floats, for kernels of activations, softmax and recurrent gates. Own
// minimax fits (Lawson's iteration on a dense grid); the errors stated were measured against double
// precision. NaN stays NaN.
#pragma once

#include "models/vectors.hpp"

namespace fedloom::simd {

/// exp(x), relative error below 2e-7; x is clamped to [-87, 88], where the result is a normal number.
template <int Lanes>
FEDLOOM_ALWAYS_INLINE Floats<Lanes> exp(Floats<Lanes> x) {
  using Vector = Floats<Lanes>;
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer
  const Vector low = Vector{} - 87.0F;
  const Vector high = Vector{} + 88.0F;
  x = x < low ? low : x;
  x = x > high ? high : x;
  const Vector n = (x * 1.44269504F + kRound) - kRound;
  // ln 2 in two parts, of which the first times n is exact.
  const Vector r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
  Vector p = r * 1.381459821e-3F + 8.368716913e-3F;
  p = p * r + 4.166838805e-2F;
  p = p * r + 1.666652063e-1F;
  p = p * r + 4.999999345e-1F;
  const Vector fraction = p * (r * r) + r + 1.0F;
  const Ints<Lanes> power = (__builtin_convertvector(n, Ints<Lanes>) + 127) << 23;
  Vector scale;
  std::memcpy(&scale, &power, sizeof scale);
  return fraction * scale;
}

/// 1 / (1 + exp(-x)), absolute error below 2e-7.
template <int Lanes>
FEDLOOM_ALWAYS_INLINE Floats<Lanes> sigmoid(const Floats<Lanes>& x) {
  return 1.0F / (1.0F + exp<Lanes>(-x));
}

/// |x|.
template <int Lanes>
FEDLOOM_ALWAYS_INLINE Floats<Lanes> magnitude(const Floats<Lanes>& x) {
  Ints<Lanes> bits;
  std::memcpy(&bits, &x, sizeof bits);
  bits &= 0x7fffffff;
  Floats<Lanes> result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

/// tanh(x), relative error below 4e-7 everywhere.
template <int Lanes>
FEDLOOM_ALWAYS_INLINE Floats<Lanes> tanh(const Floats<Lanes>& x) {
  using Vector = Floats<Lanes>;
  const Vector square = x * x;
  Vector p = square * -5.515061382e-3F + 2.046932550e-2F;
  p = p * square - 5.368799352e-2F;
  p = p * square + 1.333082999e-1F;
  p = p * square - 3.333325983e-1F;
  const Vector near_zero = x + x * (square * p);
  const Vector far = 1.0F - 2.0F / (exp<Lanes>(x + x) + 1.0F);
  return magnitude<Lanes>(x) < 0.625F ? near_zero : far;
}

/// The normal distribution at x: its density and its integral from -infinity, absolute errors below 1e-7.
/// With t = 1 / (1 + 0.3 |x|) the integral of the tail is exp(-x^2 / 2) times a polynomial in t, so both
/// share one exp.
template <int Lanes>
struct Normal {
  Floats<Lanes> density;
  Floats<Lanes> integral;
};

template <int Lanes>
FEDLOOM_ALWAYS_INLINE Normal<Lanes> normal(const Floats<Lanes>& x) {
  using Vector = Floats<Lanes>;
  const Vector bell = exp<Lanes>(x * x * -0.5F);
  const Vector t = 1.0F / (1.0F + 0.3F * magnitude<Lanes>(x));
  Vector p = t * 2.109738093e-2F - 7.937462471e-2F;
  p = p * t + 3.039207443e-2F;
  p = p * t + 1.646990141e-1F;
  p = p * t - 3.213792476e-2F;
  p = p * t + 1.700456645e-1F;
  p = p * t + 1.039398864e-1F;
  p = p * t + 1.213385297e-1F;
  const Vector tail = p * t * bell;
  return {bell * 0.398942280F, x > 0.0F ? 1.0F - tail : tail};
}

}  // namespace fedloom::simd
