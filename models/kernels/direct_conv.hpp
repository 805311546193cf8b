// Convolutions straight from padded image planes, without patch matrices: a vector holds neighbouring output
// pixels of one row, and a tile of 4 channels x 3 vectors stays in registers over all taps. Where a tap lies
// is a table of offsets, so one kernel serves forward, input gradients and every stride. Gradients of weights
// are in models/kernels/channel_panels.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace fedloom::direct {

constexpr std::size_t kTileChannels = 4;
constexpr std::size_t kTileVectors = 3;

/// Lanes of the vectors that fit rows of `width` outputs on this machine: 16, 8 or 4; 0 below four.
std::size_t lanes_for(std::size_t width);

/// Up to three vectors of outputs that meet the same rows [first_row, last_row) of the kernel.
struct Tile {
  std::uint32_t in[kTileVectors];   // of tap offset 0, in floats
  std::uint32_t out[kTileVectors];  // in the output plane
  std::uint32_t count;              // vectors, 1 to 3
  std::uint32_t first_row, last_row;
};

/// out[o][p] := bias[o] + sum over k of weight[o][k] in[p + offset[k]], then max(., 0) when `relu`. Taps come
/// in blocks of input channels whose pixels and weights fit the first-level cache together; a block has its
/// taps kernel row by kernel row.
struct Sweep {
  std::size_t channels;  // of the output, O
  std::size_t lanes;
  std::span<const std::int32_t> offsets;  // of the K taps
  std::size_t block_taps;                 // of every block but the last, which may have fewer
  std::size_t kernel_rows;
  std::span<const Tile> tiles;
  std::size_t out_plane;  // floats from one output channel to the next
};

/// packed := weights in the order the tiles read them, O x K floats; weight[o][k] is
/// weights[o * channel_stride + order[k]].
void pack(std::size_t channels, const float* weights, std::size_t channel_stride,
          std::span<const std::int32_t> order, float* packed);
/// Floats in which the sums of four channels wait between blocks; none where one block is all.
std::size_t waiting_floats(const Sweep& form);
/// `bias` may be nullptr. Writes exactly the outputs that the tiles name.
void sweep(const Sweep& form, const float* in, const float* packed, const float* bias, bool relu,
           float* waiting, float* out);

}  // namespace fedloom::direct
