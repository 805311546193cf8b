// The sweep, compiled for several instruction sets. Every sum runs over the taps in order.
#include "models/kernels/direct_conv.hpp"

#include <algorithm>
#include <limits>

#include "models/kernels/instruction_set.hpp"
#include "models/vectors.hpp"

namespace fedloom::direct {

namespace {

using simd::Floats;

// Channels are split into the fewest, most even tiles, so that none is too small to hide the latency of its
// multiply-adds.
struct Split {
  std::size_t total, most, parts = (total + most - 1) / most;
  std::size_t begin(std::size_t part) const { return total * part / parts; }
};

// Taps of some input channels, kernel row by kernel row.
struct Block {
  std::size_t begin, taps_per_row;
  bool first, last;
};

struct Finish {
  const float* bias;  // or nullptr
  float floor;        // of the output: 0 is ReLU. NaN stays NaN
};

template <int Lanes, int Rows, int Vectors>
FEDLOOM_ALWAYS_INLINE void sweep_tile(const Sweep& form, const Tile& tile, const Block& block,
                                      const float* in, const float* weights, const Finish& finish,
                                      float* waiting, float* out) {
  using Vector = Floats<Lanes>;
  Vector sums[Rows][Vectors] = {};
  if (!block.first) {
#pragma GCC unroll 4
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 3
      for (int v = 0; v < Vectors; ++v)
        sums[r][v] = simd::load<Vector>(waiting + static_cast<std::size_t>(r * Vectors + v) * Lanes);
  }
  const float* from[Vectors];
#pragma GCC unroll 3
  for (int v = 0; v < Vectors; ++v) from[v] = in + tile.in[v];
  const std::int32_t* offset = form.offsets.data() + block.begin;
  const std::size_t last = tile.last_row * block.taps_per_row;
  const float* weight = weights + (block.begin + tile.first_row * block.taps_per_row) * Rows;
  for (std::size_t k = tile.first_row * block.taps_per_row; k < last; ++k, weight += Rows) {
    const std::ptrdiff_t shift = offset[k];
    Vector pixels[Vectors];
#pragma GCC unroll 3
    for (int v = 0; v < Vectors; ++v) pixels[v] = simd::load<Vector>(from[v] + shift);
#pragma GCC unroll 4
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 3
      for (int v = 0; v < Vectors; ++v) sums[r][v] += pixels[v] * weight[r];
  }
  // The loop above needs every register, so what follows must be read after it.
  asm volatile("" ::: "memory");
  if (!block.last) {
#pragma GCC unroll 4
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 3
      for (int v = 0; v < Vectors; ++v)
        simd::store(waiting + static_cast<std::size_t>(r * Vectors + v) * Lanes, sums[r][v]);
    return;
  }
#pragma GCC unroll 4
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 3
    for (int v = 0; v < Vectors; ++v) {
      const Vector value = sums[r][v] + (finish.bias == nullptr ? 0.0F : finish.bias[r]);
      simd::store(out + static_cast<std::size_t>(r) * form.out_plane + tile.out[v],
                  value < finish.floor ? Vector{} + finish.floor : value);
    }
}

// Between blocks the sums wait outside `out`, where vectors of two tiles may overlap.
template <int Lanes, int Rows>
FEDLOOM_ALWAYS_INLINE void sweep_rows(const Sweep& form, const float* in, const float* weights,
                                      const Finish& finish, float* waiting, float* out) {
  const std::size_t all = form.offsets.size();
  for (std::size_t begin = 0; begin < all; begin += form.block_taps) {
    const std::size_t taps = std::min(form.block_taps, all - begin);
    const Block block{begin, taps / form.kernel_rows, begin == 0, begin + taps == all};
    float* sums = waiting;
    for (const Tile& tile : form.tiles) {
      if (tile.count == 3)
        sweep_tile<Lanes, Rows, 3>(form, tile, block, in, weights, finish, sums, out);
      else if (tile.count == 2)
        sweep_tile<Lanes, Rows, 2>(form, tile, block, in, weights, finish, sums, out);
      else
        sweep_tile<Lanes, Rows, 1>(form, tile, block, in, weights, finish, sums, out);
      sums += kTileChannels * kTileVectors * Lanes;
    }
  }
}

template <int Lanes>
FEDLOOM_ALWAYS_INLINE void run_sweep(const Sweep& form, const float* in, const float* packed,
                                     const Finish& finish, float* waiting, float* out) {
  const Split split{form.channels, kTileChannels};
  for (std::size_t part = 0; part < split.parts; ++part) {
    const std::size_t o = split.begin(part);
    const float* weights = packed + o * form.offsets.size();
    const Finish shift{finish.bias == nullptr ? nullptr : finish.bias + o, finish.floor};
    float* planes = out + o * form.out_plane;
    switch (split.begin(part + 1) - o) {
      case 4: sweep_rows<Lanes, 4>(form, in, weights, shift, waiting, planes); break;
      case 3: sweep_rows<Lanes, 3>(form, in, weights, shift, waiting, planes); break;
      case 2: sweep_rows<Lanes, 2>(form, in, weights, shift, waiting, planes); break;
      default: sweep_rows<Lanes, 1>(form, in, weights, shift, waiting, planes); break;
    }
  }
}

// One function per instruction set and width. A 16-lane vector pays only where registers have 16.
#define FEDLOOM_SWEEP(set, target, lanes)                                                    \
  target void sweep_##set##_##lanes(const Sweep& form, const float* in, const float* packed, \
                                    const Finish& finish, float* waiting, float* out) {      \
    run_sweep<lanes>(form, in, packed, finish, waiting, out);                                \
  }

FEDLOOM_SWEEP(baseline, , 4)
#if defined(__x86_64__)
FEDLOOM_SWEEP(avx2, [[gnu::target("arch=x86-64-v3")]], 4)
FEDLOOM_SWEEP(avx2, [[gnu::target("arch=x86-64-v3")]], 8)
FEDLOOM_SWEEP(avx512, [[gnu::target("arch=x86-64-v4")]], 4)
FEDLOOM_SWEEP(avx512, [[gnu::target("arch=x86-64-v4")]], 8)
FEDLOOM_SWEEP(avx512, [[gnu::target("arch=x86-64-v4")]], 16)
#endif
#undef FEDLOOM_SWEEP

std::size_t widest() {
  switch (instruction_set()) {
    case InstructionSet::avx512: return 16;
    case InstructionSet::avx2: return 8;
    case InstructionSet::baseline: break;
  }
  return 4;
}

using Kernel = void (*)(const Sweep&, const float*, const float*, const Finish&, float*, float*);

Kernel kernel(std::size_t lanes) {
#if defined(__x86_64__)
  switch (instruction_set()) {
    case InstructionSet::avx512:
      return lanes == 16 ? sweep_avx512_16 : lanes == 8 ? sweep_avx512_8 : sweep_avx512_4;
    case InstructionSet::avx2: return lanes == 8 ? sweep_avx2_8 : sweep_avx2_4;
    case InstructionSet::baseline: break;
  }
#endif
  (void)lanes;
  return sweep_baseline_4;
}

}  // namespace

std::size_t lanes_for(std::size_t width) {
  for (std::size_t lanes = widest(); lanes >= 4; lanes /= 2)
    if (width >= lanes) return lanes;
  return 0;
}

void pack(std::size_t channels, const float* weights, std::size_t channel_stride,
          std::span<const std::int32_t> order, float* packed) {
  const Split split{channels, kTileChannels};
  for (std::size_t part = 0; part < split.parts; ++part)
    for (const std::int32_t k : order)
      for (std::size_t o = split.begin(part); o < split.begin(part + 1); ++o)
        *packed++ = weights[o * channel_stride + static_cast<std::size_t>(k)];
}

std::size_t waiting_floats(const Sweep& form) {
  return form.block_taps >= form.offsets.size()
             ? 0
             : form.tiles.size() * kTileChannels * kTileVectors * form.lanes;
}

void sweep(const Sweep& form, const float* in, const float* packed, const float* bias, bool relu,
           float* waiting, float* out) {
  const Finish finish{bias, relu ? 0.0F : -std::numeric_limits<float>::infinity()};
  kernel(form.lanes)(form, in, packed, finish, waiting, out);
}

}  // namespace fedloom::direct
