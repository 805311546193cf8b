// Tiles of 16 x 16: both sides touch whole cache lines.
#include "models/kernels/transpose.hpp"

#include <algorithm>

namespace fedloom {

void transpose(std::size_t rows, std::size_t columns, const float* __restrict from, float* __restrict to) {
  constexpr std::size_t kTile = 16;
  for (std::size_t r = 0; r < rows; r += kTile)
    for (std::size_t c = 0; c < columns; c += kTile)
      for (std::size_t i = r; i < std::min(r + kTile, rows); ++i)
        for (std::size_t j = c; j < std::min(c + kTile, columns); ++j)
          to[j * rows + i] = from[i * columns + j];
}

}  // namespace fedloom
