// A tile of C = A B for a plain B: it stays in registers while each step adds a column of A, broadcast, times
// a row of B. Each element's sum runs over k in order, so neither the tile's form nor the vector's width
// changes a bit. For kernels that are compiled once per instruction set and inline everything.
#pragma once

#include <cstddef>

#include "models/vectors.hpp"

namespace fedloom::outer {

/// What a tile starts from and what its finished sum does to C.
enum class Finish {
  store,      // C = sum
  continued,  // C = C + sum, term by term: the sum so far goes on
  descend     // C = C - rate sum
};

/// A (rows, k), stored (k, rows) when transposed; B (k, columns); C (rows, columns).
struct Product {
  const float* a;
  std::size_t a_stride;
  const float* b;
  std::size_t b_stride;
  std::size_t k;
  float* c;
  std::size_t c_stride;
  Finish finish;
  float rate = 0.0F;
};

/// Rows x Columns vectors of C from (row, column) on. PrefetchB fetches the rows of B of the tiles to the
/// right, otherwise those of C are fetched.
template <int Lanes, int Rows, int Columns, bool Transposed, bool PrefetchB>
FEDLOOM_ALWAYS_INLINE void tile(const Product& call, std::size_t row, std::size_t column) {
  using Vector = simd::Floats<Lanes>;
  constexpr std::size_t kAhead = 2 * Columns * Lanes;
  const std::size_t a_stride = call.a_stride;
  const float* a = call.a + (Transposed ? row : row * a_stride);
  const float* b = call.b + column;
  float* c = call.c + row * call.c_stride + column;
  Vector sum[Rows * Columns] = {};
#pragma GCC unroll 16
  for (std::size_t i = 0; i < Rows; ++i) {
    if (!PrefetchB) __builtin_prefetch(c + i * call.c_stride + kAhead, 1);
    if (call.finish == Finish::continued) {
#pragma GCC unroll 4
      for (std::size_t j = 0; j < Columns; ++j)
        sum[i * Columns + j] = simd::load<Vector>(c + i * call.c_stride + j * Lanes);
    }
  }
  for (std::size_t p = 0; p < call.k; ++p) {
    Vector b_part[Columns];
    if (PrefetchB) __builtin_prefetch(b + kAhead, 0);
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Columns; ++j) b_part[j] = simd::load<Vector>(b + j * Lanes);
#pragma GCC unroll 16
    for (std::size_t i = 0; i < Rows; ++i) {
      const float factor = Transposed ? a[i] : a[i * a_stride];
#pragma GCC unroll 4
      for (std::size_t j = 0; j < Columns; ++j) sum[i * Columns + j] += factor * b_part[j];
    }
    a += Transposed ? a_stride : 1;
    b += call.b_stride;
  }
#pragma GCC unroll 16
  for (std::size_t i = 0; i < Rows; ++i) {
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Columns; ++j) {
      float* to = c + i * call.c_stride + j * Lanes;
      const Vector& total = sum[i * Columns + j];
      if (call.finish == Finish::descend)
        simd::store<Vector>(to, simd::load<Vector>(to) + -call.rate * total);
      else
        simd::store<Vector>(to, total);
    }
  }
}

/// `rows` in 1 .. MaxRows.
template <int Lanes, int MaxRows, int Columns, bool Transposed, bool PrefetchB>
FEDLOOM_ALWAYS_INLINE void tile_of(const Product& call, std::size_t row, std::size_t rows,
                                   std::size_t column) {
  if (rows == MaxRows)
    tile<Lanes, MaxRows, Columns, Transposed, PrefetchB>(call, row, column);
  else if constexpr (MaxRows > 1)
    tile_of<Lanes, MaxRows - 1, Columns, Transposed, PrefetchB>(call, row, rows, column);
}

/// A range of rows cut into the fewest, most even blocks of at most `most`.
struct Blocks {
  std::size_t rows, count;
  Blocks(std::size_t rows_, std::size_t most) : rows(rows_), count((rows_ + most - 1) / most) {}
  std::size_t begin(std::size_t i) const { return rows * i / count; }
  std::size_t size(std::size_t i) const { return begin(i + 1) - begin(i); }
};

/// Calls work.template run<Lanes, Columns>(column) for strips of `Columns` vectors from `column` to `end`,
/// with fewer vectors and then narrower ones for what is left over.
template <int Lanes, int Columns, class Work>
FEDLOOM_ALWAYS_INLINE void for_strips(std::size_t column, std::size_t end, const Work& work) {
  for (; column + Columns * Lanes <= end; column += Columns * Lanes)
    work.template run<Lanes, Columns>(column);
  if constexpr (Columns > 1)
    for_strips<Lanes, Columns - 1>(column, end, work);
  else if constexpr (Lanes > 1)
    for_strips<Lanes / 2, 1>(column, end, work);
}

/// Every block of rows of C in one strip: B's strip is read once and stays in the first cache.
template <int MaxRows, bool Transposed, bool PrefetchB>
struct AllRows {
  const Product& product;
  Blocks blocks;

  template <int Lanes, int Columns>
  FEDLOOM_ALWAYS_INLINE void run(std::size_t column) const {
    for (std::size_t i = 0; i < blocks.count; ++i)
      tile_of<Lanes, MaxRows, Columns, Transposed, PrefetchB>(product, blocks.begin(i), blocks.size(i),
                                                              column);
  }
};

/// One block of rows of C, strip after strip: C is written along its rows.
template <int MaxRows, bool Transposed>
struct OneBlock {
  const Product& product;
  std::size_t row, rows;

  template <int Lanes, int Columns>
  FEDLOOM_ALWAYS_INLINE void run(std::size_t column) const {
    tile_of<Lanes, MaxRows, Columns, Transposed, false>(product, row, rows, column);
  }
};

}  // namespace fedloom::outer
