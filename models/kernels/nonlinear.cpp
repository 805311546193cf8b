// Loops over the functions of the header, compiled for each instruction set.
#include "models/kernels/nonlinear.hpp"

#include "core/simd.hpp"

namespace fedloom {

FEDLOOM_SIMD_CLONES
void sigmoid_of(const float* in, float* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) out[i] = logistic(in[i]);
}

FEDLOOM_SIMD_CLONES
void tanh_of(const float* in, float* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) out[i] = hyperbolic_tangent(in[i]);
}

FEDLOOM_SIMD_CLONES
void gelu_of(const float* in, float* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) out[i] = in[i] * normal_distribution(in[i]);
}

FEDLOOM_SIMD_CLONES
void sigmoid_backward(float* __restrict gradient, const float* __restrict output, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) gradient[i] *= output[i] * (1.0F - output[i]);
}

FEDLOOM_SIMD_CLONES
void tanh_backward(float* __restrict gradient, const float* __restrict output, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) gradient[i] *= 1.0F - output[i] * output[i];
}

// d/dx x Phi(x) = Phi(x) + x phi(x), phi the normal density.
FEDLOOM_SIMD_CLONES
void gelu_backward(float* __restrict gradient, const float* __restrict input, std::size_t n) {
  constexpr float kInverseRoot = 0.39894228F;  // 1 / sqrt(2 pi)
  for (std::size_t i = 0; i < n; ++i) {
    const float x = input[i];
    const float density = kInverseRoot * exponential(-0.5F * x * x);
    gradient[i] *= normal_distribution(x) + x * density;
  }
}

}  // namespace fedloom
