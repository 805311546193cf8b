// The one door to matrix products. Row-major, float, on the calling thread only, and the same bits every
// time for one shape on one machine. Behind it: oneDNN where it is installed, Eigen where it is not, and two
// kernels of our own for the products of mini-batches and of low rank, where packing operands does not pay.
#pragma once

#include <cstddef>

#include "models/kernels/instruction_set.hpp"

namespace fedloom {

/// Rows of a mini-batch up to which packing operands does not pay (measured: benchmarks/gemm_bench).
constexpr std::size_t kShortBatch = 16;

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

/// Computes the product with the backend that is fastest for its form, which depends on m, n, k and the
/// transposes alone: `dot` where it fits and m <= kShortBatch, `outer` where it fits and m or k <=
/// kShortBatch, else oneDNN or Eigen.
void gemm(const GemmCall& call);

/// The backends by themselves, for the benchmark and the tests that compare them. m, n, k >= 1. Our own can
/// be asked for a lesser instruction set than the processor's best.
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
void dot(const GemmCall& call, InstructionSet set);
/// Whether `outer` can do this call: B plain.
bool outer_fits(const GemmCall& call);
/// C in register tiles, each a sum of outer products: reads A and B where they lie, unpacked.
void outer(const GemmCall& call);
void outer(const GemmCall& call, InstructionSet set);

}  // namespace gemm_backend

}  // namespace fedloom
