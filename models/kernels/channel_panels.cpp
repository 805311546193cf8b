// A tile of some taps x one panel stays in registers over all positions of a part of the images that is small
// enough for the first-level cache, where its panel of dz then waits for the next tile.
#include "models/kernels/channel_panels.hpp"

#include <algorithm>

#include "models/vectors.hpp"

namespace fedloom::panels {

namespace {

constexpr std::size_t kWide = 16;
constexpr std::size_t kNarrow = 8;
constexpr std::size_t kNearFloats = std::size_t{16} * 1024 / sizeof(float);

// The panel that begins with channel `first`.
std::size_t width_of_panel(std::size_t channels, std::size_t first) {
  return channels - first > kNarrow ? kWide : kNarrow;
}

using Eight = simd::Floats<8>;

// Rows become columns: pairs, then quadruples, then halves change places.
FEDLOOM_ALWAYS_INLINE void transpose8(Eight (&rows)[8]) {
  Eight pairs[8];
  Eight fours[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = __builtin_shufflevector(rows[i], rows[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    pairs[i + 1] = __builtin_shufflevector(rows[i], rows[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) {
      fours[i + 2 * j] = __builtin_shufflevector(pairs[i + j], pairs[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      fours[i + 2 * j + 1] =
          __builtin_shufflevector(pairs[i + j], pairs[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    rows[i] = __builtin_shufflevector(fours[i], fours[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    rows[i + 4] = __builtin_shufflevector(fours[i], fours[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

// to[c][r] := from[r][c] for 8 x `columns`, of which `rows` rows exist; the others are zero. Adds up each
// row.
FEDLOOM_ALWAYS_INLINE Eight columns_of_eight(std::size_t rows, std::size_t columns, const float* from,
                                             std::size_t from_stride, float* to, std::size_t to_stride) {
  Eight sums{};
  std::size_t c = 0;
  for (; c + 8 <= columns; c += 8) {
    Eight block[8];
    for (std::size_t r = 0; r < 8; ++r)
      block[r] = r < rows ? simd::load<Eight>(from + r * from_stride + c) : Eight{};
    transpose8(block);
    for (std::size_t j = 0; j < 8; ++j) simd::store(to + (c + j) * to_stride, block[j]);
    sums += ((block[0] + block[1]) + (block[2] + block[3])) + ((block[4] + block[5]) + (block[6] + block[7]));
  }
  for (; c < columns; ++c) {
    Eight column{};
    for (std::size_t r = 0; r < rows; ++r) column[r] = from[r * from_stride + c];
    simd::store(to + c * to_stride, column);
    sums += column;
  }
  return sums;
}

FEDLOOM_ALWAYS_INLINE void run_gather(std::size_t channels, std::size_t positions, const float* z,
                                      float* panels, float* sums) {
  for (std::size_t first = 0; first < channels; first += kWide) {
    const std::size_t width = width_of_panel(channels, first);
    for (std::size_t half = 0; half < width; half += 8) {
      const std::size_t o = first + half;
      const std::size_t rows = std::min<std::size_t>(8, channels - o);
      float* to = panels + first * positions + half;
      const float* from = z + o * positions;
      const Eight totals = rows == 8 ? columns_of_eight(8, positions, from, positions, to, width)
                                     : columns_of_eight(rows, positions, from, positions, to, width);
      simd::store(sums + o, totals);
    }
  }
}

FEDLOOM_ALWAYS_INLINE void run_scatter(std::size_t channels, std::size_t taps, const float* sums,
                                       float* gradient) {
  for (std::size_t first = 0; first < channels; first += kWide) {
    const std::size_t width = width_of_panel(channels, first);
    const float* panel = sums + first * taps;
    for (std::size_t o = first; o < std::min(channels, first + width); o += 8) {
      const float* from = panel + (o - first);
      float* to = gradient + o * taps;
      const std::size_t rows = std::min<std::size_t>(8, channels - o);
      std::size_t k = 0;
      for (; rows == 8 && k + 8 <= taps; k += 8) {
        Eight block[8];
        for (std::size_t j = 0; j < 8; ++j) block[j] = simd::load<Eight>(from + (k + j) * width);
        transpose8(block);
        for (std::size_t r = 0; r < 8; ++r) simd::store(to + r * taps + k, block[r]);
      }
      for (; k < taps; ++k)
        for (std::size_t r = 0; r < rows; ++r) to[r * taps + k] = from[k * width + r];
    }
  }
}

// Part of the images: some rows of one of them, or all rows of some.
struct Part {
  std::size_t images, rows;
  std::size_t x_image, dz_image;  // steps in floats
  const float* x;
  const float* dz;
};

template <int Lanes, int Vectors, int Taps>
FEDLOOM_ALWAYS_INLINE void tile(const Correlation& form, const Part& part, const std::int32_t* offsets,
                                bool accumulate, float* to) {
  using Vector = simd::Floats<Lanes>;
  constexpr std::size_t kWidth = std::size_t{Lanes} * Vectors;
  Vector sums[Taps][Vectors] = {};
  if (accumulate) {
#pragma GCC unroll 16
    for (int t = 0; t < Taps; ++t)
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v)
        sums[t][v] = simd::load<Vector>(to + static_cast<std::size_t>(t * Vectors + v) * Lanes);
  }
  for (std::size_t image = 0; image < part.images; ++image) {
    const float* dz = part.dz + image * part.dz_image;
    const float* x = part.x + image * part.x_image;
    for (std::size_t row = 0; row < part.rows; ++row, x += form.x_row) {
      const float* from[Taps];
#pragma GCC unroll 16
      for (int t = 0; t < Taps; ++t) from[t] = x + offsets[t];
      for (std::size_t column = 0; column < form.columns; ++column, dz += kWidth) {
        Vector slopes[Vectors];
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v)
          slopes[v] = simd::load<Vector>(dz + static_cast<std::size_t>(v) * Lanes);
#pragma GCC unroll 16
        for (int t = 0; t < Taps; ++t) {
          const float pixel = from[t][column];
#pragma GCC unroll 4
          for (int v = 0; v < Vectors; ++v) sums[t][v] += pixel * slopes[v];
        }
      }
    }
  }
#pragma GCC unroll 16
  for (int t = 0; t < Taps; ++t)
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v)
      simd::store(to + static_cast<std::size_t>(t * Vectors + v) * Lanes, sums[t][v]);
}

// `taps` in 1 .. MaxTaps.
template <int Lanes, int Vectors, int MaxTaps>
FEDLOOM_ALWAYS_INLINE void tile_of(const Correlation& form, const Part& part, std::size_t first,
                                   std::size_t taps, bool accumulate, float* to) {
  if (taps == MaxTaps)
    tile<Lanes, Vectors, MaxTaps>(form, part, form.offsets.data() + first, accumulate, to);
  else if constexpr (MaxTaps > 1)
    tile_of<Lanes, Vectors, MaxTaps - 1>(form, part, first, taps, accumulate, to);
}

template <int Lanes, int Vectors, int MaxTaps>
FEDLOOM_ALWAYS_INLINE void panel(const Correlation& form, const Part& part, bool accumulate, float* sums) {
  const std::size_t taps = form.offsets.size();
  const std::size_t tiles = (taps + MaxTaps - 1) / MaxTaps;  // the fewest, and even
  for (std::size_t i = 0; i < tiles; ++i) {
    const std::size_t first = taps * i / tiles;
    tile_of<Lanes, Vectors, MaxTaps>(form, part, first, taps * (i + 1) / tiles - first, accumulate,
                                     sums + first * Lanes * Vectors);
  }
}

// WideTaps and NarrowTaps: how many taps x panel fill the registers.
template <int Lanes, int WideTaps, int NarrowTaps>
FEDLOOM_ALWAYS_INLINE void run_correlate(const Correlation& form, const float* x, const float* dz,
                                         std::size_t images, bool accumulate, float* sums) {
  constexpr int kNarrowLanes = std::min<int>(Lanes, kNarrow);
  const std::size_t positions = form.rows * form.columns;
  const std::size_t dz_image = padded_channels(form.channels) * positions;
  for (std::size_t first = 0; first < form.channels; first += kWide) {
    const std::size_t width = width_of_panel(form.channels, first);
    const std::size_t row_step = std::clamp<std::size_t>(kNearFloats / (form.columns * width), 1, form.rows);
    const std::size_t image_step = std::clamp<std::size_t>(kNearFloats / (positions * width), 1, images);
    for (std::size_t image = 0; image < images; image += image_step) {
      for (std::size_t row = 0; row < form.rows; row += row_step) {
        const Part part{std::min(image_step, images - image),
                        std::min(row_step, form.rows - row),
                        form.x_image,
                        dz_image,
                        x + image * form.x_image + row * form.x_row,
                        dz + image * dz_image + first * positions + row * form.columns * width};
        const bool adds = accumulate || image > 0 || row > 0;
        float* to = sums + first * form.offsets.size();
        if (width == kWide)
          panel<Lanes, kWide / Lanes, WideTaps>(form, part, adds, to);
        else
          panel<kNarrowLanes, kNarrow / kNarrowLanes, NarrowTaps>(form, part, adds, to);
      }
    }
  }
}

#define FEDLOOM_PANELS(set, target, lanes, wide_taps, narrow_taps)                                          \
  target void gather_##set(std::size_t channels, std::size_t positions, const float* z, float* panels,      \
                           float* sums) {                                                                   \
    run_gather(channels, positions, z, panels, sums);                                                       \
  }                                                                                                         \
  target void correlate_##set(const Correlation& form, const float* x, const float* dz, std::size_t images, \
                              bool accumulate, float* sums) {                                               \
    run_correlate<lanes, wide_taps, narrow_taps>(form, x, dz, images, accumulate, sums);                    \
  }                                                                                                         \
  target void scatter_##set(std::size_t channels, std::size_t taps, const float* sums, float* gradient) {   \
    run_scatter(channels, taps, sums, gradient);                                                            \
  }

FEDLOOM_PANELS(baseline, , 4, 2, 5)
#if defined(__x86_64__)
FEDLOOM_PANELS(avx2, [[gnu::target("arch=x86-64-v3")]], 8, 6, 10)
FEDLOOM_PANELS(avx512, [[gnu::target("arch=x86-64-v4")]], 16, 12, 12)
#define FEDLOOM_CALL(function, ...)                                     \
  switch (set) {                                                        \
    case InstructionSet::avx512: return function##_avx512(__VA_ARGS__); \
    case InstructionSet::avx2: return function##_avx2(__VA_ARGS__);     \
    case InstructionSet::baseline: break;                               \
  }                                                                     \
  function##_baseline(__VA_ARGS__)
#else
#define FEDLOOM_CALL(function, ...) \
  (void)set;                        \
  function##_baseline(__VA_ARGS__)
#endif
#undef FEDLOOM_PANELS

}  // namespace

std::size_t padded_channels(std::size_t channels) { return (channels + kNarrow - 1) / kNarrow * kNarrow; }

void gather(std::size_t channels, std::size_t positions, const float* z, float* panels, float* sums,
            InstructionSet set) {
  FEDLOOM_CALL(gather, channels, positions, z, panels, sums);
}

void correlate(const Correlation& form, const float* x, const float* dz_panels, std::size_t images,
               bool accumulate, float* sums, InstructionSet set) {
  FEDLOOM_CALL(correlate, form, x, dz_panels, images, accumulate, sums);
}

void scatter(std::size_t channels, std::size_t taps, const float* sums, float* gradient, InstructionSet set) {
  FEDLOOM_CALL(scatter, channels, taps, sums, gradient);
}
#undef FEDLOOM_CALL

}  // namespace fedloom::panels
