// The transpose of a dense matrix, in tiles that stay in registers and cache lines.
// Both sides are dense and whole; a part of a matrix is a product with strides (gemm.hpp).
#pragma once

#include <cstddef>

namespace fedloom {

/// to (columns, rows) := the transpose of from (rows, columns); no overlap.
void transpose(std::size_t rows, std::size_t columns, const float* from, float* to);

}  // namespace fedloom
