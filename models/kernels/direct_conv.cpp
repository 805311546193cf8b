// The kernels, compiled for several instruction sets. Every sum runs in one order that only the form decides.
#include "models/kernels/direct_conv.hpp"

#include <algorithm>
#include <limits>

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

struct Finish {
  const float* bias;  // or nullptr
  float floor;        // of the output: 0 is ReLU. NaN stays NaN
};

template <int Lanes, int Rows, int Vectors>
FEDLOOM_ALWAYS_INLINE void sweep_tile(const Sweep& form, const Tile& tile, const float* in,
                                      const float* weights, const Finish& finish, float* out) {
  using Vector = Floats<Lanes>;
  Vector sums[Rows][Vectors] = {};
  const float* from[Vectors];
#pragma GCC unroll 3
  for (int v = 0; v < Vectors; ++v) from[v] = in + tile.in[v];
  const std::int32_t* offset = form.offsets.data();
  const float* weight = weights + static_cast<std::size_t>(tile.first_tap) * Rows;
  for (std::size_t k = tile.first_tap; k < tile.last_tap; ++k, weight += Rows) {
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
#pragma GCC unroll 4
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 3
    for (int v = 0; v < Vectors; ++v) {
      const Vector value = sums[r][v] + (finish.bias == nullptr ? 0.0F : finish.bias[r]);
      simd::store(out + static_cast<std::size_t>(r) * form.out_plane + tile.out[v],
                  value < finish.floor ? Vector{} + finish.floor : value);
    }
}

template <int Lanes, int Rows>
FEDLOOM_ALWAYS_INLINE void sweep_rows(const Sweep& form, const float* in, const float* weights,
                                      const Finish& finish, float* out) {
  for (const Tile& tile : form.tiles) {
    if (tile.count == 3)
      sweep_tile<Lanes, Rows, 3>(form, tile, in, weights, finish, out);
    else if (tile.count == 2)
      sweep_tile<Lanes, Rows, 2>(form, tile, in, weights, finish, out);
    else
      sweep_tile<Lanes, Rows, 1>(form, tile, in, weights, finish, out);
  }
}

template <int Lanes>
FEDLOOM_ALWAYS_INLINE void run_sweep(const Sweep& form, const float* in, const float* packed,
                                     const Finish& finish, float* out) {
  const Split split{form.channels, kTileChannels};
  for (std::size_t part = 0; part < split.parts; ++part) {
    const std::size_t o = split.begin(part);
    const float* weights = packed + o * form.offsets.size();
    const Finish shift{finish.bias == nullptr ? nullptr : finish.bias + o, finish.floor};
    float* planes = out + o * form.out_plane;
    switch (split.begin(part + 1) - o) {
      case 4: sweep_rows<Lanes, 4>(form, in, weights, shift, planes); break;
      case 3: sweep_rows<Lanes, 3>(form, in, weights, shift, planes); break;
      case 2: sweep_rows<Lanes, 2>(form, in, weights, shift, planes); break;
      default: sweep_rows<Lanes, 1>(form, in, weights, shift, planes); break;
    }
  }
}

// The total of a vector's lanes: halves are added until one lane is left.
template <int Lanes>
FEDLOOM_ALWAYS_INLINE float total(const Floats<Lanes>& value) {
  if constexpr (Lanes == 1) {
    return value[0];
  } else {
    Floats<Lanes / 2> low;
    Floats<Lanes / 2> high;
    std::memcpy(&low, &value, sizeof low);
    std::memcpy(&high, reinterpret_cast<const char*>(&value) + sizeof low, sizeof high);  // NOLINT
    return total<Lanes / 2>(low + high);
  }
}

template <int Lanes, int Rows, int Taps>
FEDLOOM_ALWAYS_INLINE void correlate_tile(const Correlation& form, const float* x, const float* dz,
                                          const std::int32_t* offsets, std::size_t images, bool accumulate,
                                          float* gradient) {
  using Vector = Floats<Lanes>;
  Vector sums[Rows][Taps] = {};
  for (std::size_t image = 0; image < images; ++image) {
    for (std::size_t row = 0; row < form.rows; ++row) {
      const float* dz_row = dz + image * form.dz_image + row * form.dz_row;
      const float* x_row = x + image * form.x_image + row * form.x_row;
      const float* from[Taps];
#pragma GCC unroll 3
      for (int t = 0; t < Taps; ++t) from[t] = x_row + offsets[t];
      for (std::size_t at = 0; at < form.vectors * Lanes; at += Lanes) {
        Vector pixels[Taps];
#pragma GCC unroll 3
        for (int t = 0; t < Taps; ++t) pixels[t] = simd::load<Vector>(from[t] + at);
#pragma GCC unroll 4
        for (int r = 0; r < Rows; ++r) {
          const auto slope = simd::load<Vector>(dz_row + static_cast<std::size_t>(r) * form.dz_plane + at);
#pragma GCC unroll 3
          for (int t = 0; t < Taps; ++t) sums[r][t] += slope * pixels[t];
        }
      }
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 3
    for (int t = 0; t < Taps; ++t) {
      float& to = gradient[static_cast<std::size_t>(r) * form.offsets.size() + static_cast<std::size_t>(t)];
      to = (accumulate ? to : 0.0F) + total<Lanes>(sums[r][t]);
    }
}

template <int Lanes, int Rows>
FEDLOOM_ALWAYS_INLINE void correlate_rows(const Correlation& form, const float* x, const float* dz,
                                          std::size_t images, bool accumulate, float* gradient) {
  const Split split{form.offsets.size(), kTileVectors};
  for (std::size_t part = 0; part < split.parts; ++part) {
    const std::size_t k = split.begin(part);
    const std::int32_t* offsets = form.offsets.data() + k;
    switch (split.begin(part + 1) - k) {
      case 3: correlate_tile<Lanes, Rows, 3>(form, x, dz, offsets, images, accumulate, gradient + k); break;
      case 2: correlate_tile<Lanes, Rows, 2>(form, x, dz, offsets, images, accumulate, gradient + k); break;
      default: correlate_tile<Lanes, Rows, 1>(form, x, dz, offsets, images, accumulate, gradient + k); break;
    }
  }
}

template <int Lanes>
FEDLOOM_ALWAYS_INLINE void run_correlation(const Correlation& form, const float* x, const float* dz,
                                           std::size_t images, bool accumulate, float* gradient) {
  const Split split{form.channels, kTileChannels};
  for (std::size_t part = 0; part < split.parts; ++part) {
    const std::size_t o = split.begin(part);
    const float* slopes = dz + o * form.dz_plane;
    float* rows = gradient + o * form.offsets.size();
    switch (split.begin(part + 1) - o) {
      case 4: correlate_rows<Lanes, 4>(form, x, slopes, images, accumulate, rows); break;
      case 3: correlate_rows<Lanes, 3>(form, x, slopes, images, accumulate, rows); break;
      case 2: correlate_rows<Lanes, 2>(form, x, slopes, images, accumulate, rows); break;
      default: correlate_rows<Lanes, 1>(form, x, slopes, images, accumulate, rows); break;
    }
  }
}

// One pair of functions per instruction set and width. A 16-lane vector pays only where registers have 16.
#define FEDLOOM_DIRECT(set, target, lanes)                                                        \
  target void sweep_##set##_##lanes(const Sweep& form, const float* in, const float* packed,      \
                                    const Finish& finish, float* out) {                           \
    run_sweep<lanes>(form, in, packed, finish, out);                                              \
  }                                                                                               \
  target void correlate_##set##_##lanes(const Correlation& form, const float* x, const float* dz, \
                                        std::size_t images, bool accumulate, float* gradient) {   \
    run_correlation<lanes>(form, x, dz, images, accumulate, gradient);                            \
  }

FEDLOOM_DIRECT(baseline, , 4)

struct Kernels {
  void (*sweep)(const Sweep&, const float*, const float*, const Finish&, float*);
  void (*correlate)(const Correlation&, const float*, const float*, std::size_t, bool, float*);
};

#if defined(__x86_64__)
FEDLOOM_DIRECT(avx2, [[gnu::target("arch=x86-64-v3")]], 4)
FEDLOOM_DIRECT(avx2, [[gnu::target("arch=x86-64-v3")]], 8)
FEDLOOM_DIRECT(avx512, [[gnu::target("arch=x86-64-v4")]], 4)
FEDLOOM_DIRECT(avx512, [[gnu::target("arch=x86-64-v4")]], 8)
FEDLOOM_DIRECT(avx512, [[gnu::target("arch=x86-64-v4")]], 16)

std::size_t find_widest() {
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512cd"))
    return 16;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
    return 8;
  return 4;
}
#else
std::size_t find_widest() { return 4; }
#endif
#undef FEDLOOM_DIRECT

std::size_t widest() {
  static const std::size_t lanes = find_widest();
  return lanes;
}

Kernels kernels(std::size_t lanes) {
#if defined(__x86_64__)
  if (widest() == 16) {
    if (lanes == 16) return {sweep_avx512_16, correlate_avx512_16};
    if (lanes == 8) return {sweep_avx512_8, correlate_avx512_8};
    return {sweep_avx512_4, correlate_avx512_4};
  }
  if (widest() == 8) {
    if (lanes == 8) return {sweep_avx2_8, correlate_avx2_8};
    return {sweep_avx2_4, correlate_avx2_4};
  }
#endif
  (void)lanes;
  return {sweep_baseline_4, correlate_baseline_4};
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

void sweep(const Sweep& form, const float* in, const float* packed, const float* bias, bool relu,
           float* out) {
  const Finish finish{bias, relu ? 0.0F : -std::numeric_limits<float>::infinity()};
  kernels(form.lanes).sweep(form, in, packed, finish, out);
}

void correlate(const Correlation& form, const float* x, const float* dz, std::size_t images, bool accumulate,
               float* gradient) {
  kernels(form.lanes).correlate(form, x, dz, images, accumulate, gradient);
}

}  // namespace fedloom::direct
