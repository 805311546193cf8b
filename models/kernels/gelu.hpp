// The Gaussian error linear unit x Phi(x), Phi the normal distribution function, with its derivative: both
// share one exponential. D. Hendrycks, K. Gimpel, "Gaussian Error Linear Units (GELUs)", arXiv:1606.08415,
// 2016.
#pragma once

#include <cstddef>

namespace fedloom {

/// values := gelu(values) and slope := its derivative there, n floats.
void gelu_with_slope(float* values, float* slope, std::size_t n);
/// gradient *= slope, n floats.
void multiply(float* gradient, const float* slope, std::size_t n);

}  // namespace fedloom
