// Matrix products by Eigen: the backend where no tuned library is installed. Alone in its file, because it
// takes long to compile. Eigen works on the calling thread here (it is not built with OpenMP).
#include <Eigen/Core>

#include "models/gemm.hpp"

namespace fedloom::gemm_backend {

namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Stride = Eigen::OuterStride<>;
using Stored = Eigen::Map<const Matrix, Eigen::Unaligned, Stride>;

Eigen::Index extent(std::size_t value) { return static_cast<Eigen::Index>(value); }

// The matrix as it lies in memory; `rows` and `columns` are those after the transpose.
Stored stored(const MatrixView& view, std::size_t rows, std::size_t columns) {
  if (view.transposed) std::swap(rows, columns);
  return {view.data, extent(rows), extent(columns), Stride(extent(view.stride))};
}

template <class A, class B>
void multiply(const A& a, const B& b, const GemmCall& call) {
  Eigen::Map<Matrix, Eigen::Unaligned, Stride> c(call.c, extent(call.m), extent(call.n),
                                                 Stride(extent(call.c_stride)));
  if (call.accumulate)
    c.noalias() += a * b;
  else
    c.noalias() = a * b;
}

}  // namespace

void eigen(const GemmCall& call) {
  const Stored a = stored(call.a, call.m, call.k);
  const Stored b = stored(call.b, call.k, call.n);
  if (call.a.transposed && call.b.transposed)
    multiply(a.transpose(), b.transpose(), call);
  else if (call.a.transposed)
    multiply(a.transpose(), b, call);
  else if (call.b.transposed)
    multiply(a, b.transpose(), call);
  else
    multiply(a, b, call);
}

}  // namespace fedloom::gemm_backend
