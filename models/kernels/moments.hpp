// Sums over one channel's values that normalisation needs, and the two sweeps that apply them. Each sum runs
// in 32 partial sums, so that it is the same at every vector width.
#pragma once

#include <cstddef>

namespace fedloom {

/// Sum of n floats.
float value_sum(const float* x, std::size_t n);
/// Sum of (x - mean)^2, n floats.
float centred_square_sum(const float* x, float mean, std::size_t n);

/// Sums of dy and of dy (x - mean).
struct GradientSums {
  float plain;
  float centred;
};
GradientSums gradient_sums(const float* dy, const float* x, float mean, std::size_t n);

/// y := scale (x - mean) + shift, then max(., 0) when `relu`; y may be x. The mean is taken off first,
/// because scale * mean may be much larger than the result.
void scale_shift(const float* x, float mean, float scale, float shift, bool relu, float* y, std::size_t n);
/// dx := a dy + b (x - mean) + c; dx may be dy.
void combine(const float* dy, const float* x, float mean, float a, float b, float c, float* dx,
             std::size_t n);

}  // namespace fedloom
