// The one door to matrix products. Row-major, float, on the calling thread only, and the same bits every
// time for one shape on one machine. Behind it: oneDNN where it is installed, a dot-product kernel for
// short batches against a transposed matrix, Eigen everywhere else.
#pragma once

#include <cstddef>

namespace fedloom {

/// A stored row-major matrix, used as it is or transposed. `stride` is the distance between stored rows.
struct MatrixView {
  const float* data;
  std::size_t stride;
  bool transposed = false;
};

inline MatrixView plain(const float* data, std::size_t stride) { return {data, stride, false}; }
inline MatrixView transposed(const float* data, std::size_t stride) { return {data, stride, true}; }

/// C = A B, or C += A B when `accumulate`: A is (m, k), B is (k, n) after their transposes, C is (m, n) with
/// `c_stride` floats from row to row and overlaps neither. An empty sum (k = 0) is zero.
struct GemmCall {
  std::size_t m;
  std::size_t n;
  std::size_t k;
  MatrixView a;
  MatrixView b;
  float* c;
  std::size_t c_stride;
  bool accumulate = false;
};

/// Computes the product with whichever backend was fastest for its form.
void gemm(const GemmCall& call);

/// The backends by themselves, for the benchmark and the tests that compare them. m, n, k >= 1.
namespace gemm_backend {

/// Whether the program was built with oneDNN.
bool has_onednn();
/// dnnl_sgemm on one thread. A programmer error when has_onednn() is false.
void onednn(const GemmCall& call);
void eigen(const GemmCall& call);
/// Whether `dot` can do this call: A plain, B transposed, k at least one vector.
bool dot_fits(const GemmCall& call);
/// Every element of C as a dot product of two contiguous rows: reads B exactly once, unpacked.
void dot(const GemmCall& call);

}  // namespace gemm_backend

}  // namespace fedloom
