// C = A B^T for a short A (a mini-batch) against a long B (a dense layer's weights, stored (out, in)). Both
// operands are read along contiguous rows, so nothing is packed and B streams through the cache once; packing
// B is what makes a general product slow on this form. Sums run in Lanes partial sums and then a fixed tree.
#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "models/gemm.hpp"
#include "models/vectors.hpp"

namespace fedloom::gemm_backend {

namespace {

using simd::Floats;

// Halves of groups: a vector holds Lanes / Group groups, each still to be summed over its Group lanes. Output
// lane `lane` of the pair (x, y) takes element `lane` of the lower or upper halves, groups kept in order.
template <int Lanes, int Group>
constexpr int half_index(int lane, bool upper) {
  const int half = Group / 2;
  const int group = lane / half;
  return group * Group + (upper ? half : 0) + lane % half;  // y's lanes follow x's: group runs over both
}

template <int Lanes, int Group, int... Lane>
FEDLOOM_ALWAYS_INLINE Floats<Lanes> fold_halves(const Floats<Lanes>& x, const Floats<Lanes>& y,
                                                std::integer_sequence<int, Lane...>) {
  return __builtin_shufflevector(x, y, half_index<Lanes, Group>(Lane, false)...) +
         __builtin_shufflevector(x, y, half_index<Lanes, Group>(Lane, true)...);
}

// Sums Count vectors over their lanes: sums[i] is the total of vectors[i]. Pairs are folded level by level,
// so that all sums share the shuffles.
template <int Lanes, int Group, int Count>
FEDLOOM_ALWAYS_INLINE void fold(Floats<Lanes>* vectors, float* sums) {
  if constexpr (Group == 1) {
    for (int i = 0; i < Count; ++i) simd::store(sums + i * Lanes, vectors[i]);
  } else {
    constexpr int kPairs = (Count + 1) / 2;
#pragma GCC unroll 16
    for (int i = 0; i < kPairs; ++i)
      vectors[i] = fold_halves<Lanes, Group>(vectors[2 * i], vectors[std::min(2 * i + 1, Count - 1)],
                                             std::make_integer_sequence<int, Lanes>());
    fold<Lanes, Group / 2, kPairs>(vectors, sums);
  }
}

// Rows x Columns dot products held in registers.
template <int Lanes, int Rows, int Columns>
FEDLOOM_ALWAYS_INLINE void block(const GemmCall& call, std::size_t row, std::size_t column) {
  using Vector = Floats<Lanes>;
  const float* a = call.a.data + row * call.a.stride;
  const float* b = call.b.data + column * call.b.stride;
  Vector sum[Rows * Columns] = {};
  std::size_t p = 0;
  for (; p + Lanes <= call.k; p += Lanes) {
    Vector b_part[Columns];
#pragma GCC unroll 4
    for (int j = 0; j < Columns; ++j)
      b_part[j] = simd::load<Vector>(b + static_cast<std::size_t>(j) * call.b.stride + p);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      const auto a_part = simd::load<Vector>(a + static_cast<std::size_t>(i) * call.a.stride + p);
#pragma GCC unroll 4
      for (int j = 0; j < Columns; ++j) sum[i * Columns + j] += a_part * b_part[j];
    }
  }
  if (p < call.k) {
    // The last part of a row is read as the last whole vector, without the lanes that were counted before.
    const auto fresh = simd::lanes_between<Lanes>(static_cast<std::int64_t>(Lanes - (call.k - p)), Lanes);
    p = call.k - Lanes;
    Vector b_part[Columns];
#pragma GCC unroll 4
    for (int j = 0; j < Columns; ++j)
      b_part[j] =
          simd::keep<Lanes>(simd::load<Vector>(b + static_cast<std::size_t>(j) * call.b.stride + p), fresh);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      const auto a_part =
          simd::keep<Lanes>(simd::load<Vector>(a + static_cast<std::size_t>(i) * call.a.stride + p), fresh);
#pragma GCC unroll 4
      for (int j = 0; j < Columns; ++j) sum[i * Columns + j] += a_part * b_part[j];
    }
  }
  alignas(64) std::array<float, (Rows * Columns + Lanes - 1) / Lanes * Lanes> totals;
  fold<Lanes, Lanes, Rows * Columns>(sum, totals.data());
  for (std::size_t i = 0; i < Rows; ++i) {
    float* c = call.c + (row + i) * call.c_stride + column;
    for (std::size_t j = 0; j < Columns; ++j)
      c[j] = (call.accumulate ? c[j] : 0.0F) + totals[i * Columns + j];
  }
}

template <int Lanes, int Rows>
FEDLOOM_ALWAYS_INLINE void row_block(const GemmCall& call, std::size_t row, std::size_t rows,
                                     std::size_t column, bool pair) {
  if (rows == Rows) {
    if (pair)
      block<Lanes, Rows, 2>(call, row, column);
    else
      block<Lanes, Rows, 1>(call, row, column);
  } else if constexpr (Rows > 1) {
    row_block<Lanes, Rows - 1>(call, row, rows, column, pair);
  }
}

// Rows are split into the fewest, most even blocks of at most MaxRows (what the registers hold).
template <int Lanes, int MaxRows>
FEDLOOM_ALWAYS_INLINE void run(const GemmCall& call) {
  const std::size_t blocks = (call.m + MaxRows - 1) / MaxRows;
  for (std::size_t column = 0; column < call.n; column += 2) {
    for (std::size_t i = 0; i < blocks; ++i) {
      const std::size_t row = call.m * i / blocks;
      row_block<Lanes, MaxRows>(call, row, call.m * (i + 1) / blocks - row, column, column + 1 < call.n);
    }
  }
}

void run_baseline(const GemmCall& call) { run<4, 4>(call); }

#if defined(__x86_64__)
[[gnu::target("arch=x86-64-v3")]] void run_avx2(const GemmCall& call) { run<8, 6>(call); }
[[gnu::target("arch=x86-64-v4")]] void run_avx512(const GemmCall& call) { run<16, 10>(call); }
#endif

}  // namespace

bool dot_fits(const GemmCall& call) {
  constexpr std::size_t kWidestVector = 16;
  return !call.a.transposed && call.b.transposed && call.k >= kWidestVector;
}

void dot(const GemmCall& call, [[maybe_unused]] InstructionSet set) {
#if defined(__x86_64__)
  switch (set) {
    case InstructionSet::avx512: return run_avx512(call);
    case InstructionSet::avx2: return run_avx2(call);
    case InstructionSet::baseline: break;
  }
#endif
  run_baseline(call);
}

void dot(const GemmCall& call) { dot(call, instruction_set()); }

}  // namespace fedloom::gemm_backend
