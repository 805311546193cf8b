// |sum_t dy_t x_t^T|^2 = sum over t, s of (x_t . x_s)(dy_t . dy_s).
#include "models/layers/outer_norm.hpp"

#include "models/elementwise.hpp"
#include "models/gemm.hpp"

namespace fedloom {

namespace {

bool by_inner_products(const OuterSum& form) {
  return 2 * form.rows * form.rows < form.inputs * form.outputs;
}

}  // namespace

std::size_t outer_norm_scratch(const OuterSum& form) {
  if (form.rows == 1) return 0;
  return by_inner_products(form) ? 2 * form.rows * form.rows : form.inputs * form.outputs;
}

double outer_square_norm(const OuterSum& form, const float* x, std::size_t x_stride, const float* dy,
                         std::size_t dy_stride, float* scratch) {
  const std::size_t T = form.rows;
  const std::size_t I = form.inputs;
  const std::size_t O = form.outputs;
  if (T == 1) return square_norm(x, I) * square_norm(dy, O);
  if (!by_inner_products(form)) {
    gemm({O, I, T, transposed(dy, dy_stride), plain(x, x_stride), scratch, I});
    return square_norm(scratch, O * I);
  }
  float* of_x = scratch;
  float* of_dy = scratch + T * T;
  gemm({T, T, I, plain(x, x_stride), transposed(x, x_stride), of_x, T});
  gemm({T, T, O, plain(dy, dy_stride), transposed(dy, dy_stride), of_dy, T});
  double total = 0.0;
  for (std::size_t i = 0; i < T * T; ++i)
    total += static_cast<double>(of_x[i]) * static_cast<double>(of_dy[i]);
  return total;
}

}  // namespace fedloom
