// Loops over flat arrays that layers and optimizers share. Each is compiled for several instruction sets and
// chosen at run time; sums run in a fixed order. Arrays must not overlap unless it is said.
#pragma once

#include <cstddef>

namespace fedloom {

/// y += scale * x, n floats.
void add_scaled(float* y, const float* x, float scale, std::size_t n);
/// values *= factor, n floats.
void scale(float* values, float factor, std::size_t n);
/// rows (count, width) += bias (width), in place.
void add_bias(float* rows, const float* bias, std::size_t count, std::size_t width);
/// rows := max(rows + bias, 0), in place. NaN stays NaN.
void add_bias_relu(float* rows, const float* bias, std::size_t count, std::size_t width);
/// out := max(in, 0). NaN stays NaN. `out` may be `in`.
void relu(const float* in, float* out, std::size_t n);
/// out := max(in + bias, 0), or in + bias without `relu`; n floats, one bias for all. NaN stays NaN.
void bias_plane(const float* in, float bias, bool relu, std::size_t n, float* out);
/// gradient := 0 where the ReLU's output was not positive, in place.
void relu_backward(float* gradient, const float* output, std::size_t n);
/// sums (width) := the sum over the rows of (count, width).
void column_sums(const float* rows, std::size_t count, std::size_t width, float* sums);
/// Square norm of what column_sums would give, in double.
double column_sums_square_norm(const float* rows, std::size_t count, std::size_t width);
/// Sum of n floats, in 16 partial sums.
float sum(const float* values, std::size_t n);
/// Sum of squares of n floats, in double.
double square_norm(const float* values, std::size_t n);

}  // namespace fedloom
