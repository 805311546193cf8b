// Pooling in vectors of eight windows. A vector that hangs over the end of its row reads and writes the rows
// after it in the same plane, which come later; where the plane ends before the vector does, a buffer takes
// its place, so nothing outside the plane is ever touched.
#include "models/layers/pooling.hpp"

#include <algorithm>

#include "models/vectors.hpp"

namespace fedloom {

namespace {

constexpr std::size_t kWindows = 8;  // windows per vector
constexpr int kDead = 4;             // choice of a window whose ReLU is off

using Vector = simd::Floats<kWindows>;
using Index = simd::Ints<kWindows>;

// Choices are bytes in memory and integers in vectors. The compiler converts between the two lane by lane, so
// shifts do it: four bytes make a word, the first the lowest.
constexpr Index kByteShift{0, 8, 16, 24, 0, 8, 16, 24};

FEDLOOM_ALWAYS_INLINE Index load_choice(const std::uint8_t* choice) {
  std::int32_t words[2];
  std::memcpy(words, choice, sizeof words);
  const Index spread{words[0], words[0], words[0], words[0], words[1], words[1], words[1], words[1]};
  return (spread >> kByteShift) & 0xff;
}

FEDLOOM_ALWAYS_INLINE void store_choice(std::uint8_t* choice, const Index& index) {
  Index word = index << kByteShift;
  word |= __builtin_shufflevector(word, word, 1, 0, 3, 2, 5, 4, 7, 6);
  word |= __builtin_shufflevector(word, word, 2, 3, 0, 1, 6, 7, 4, 5);
  const std::int32_t words[2] = {word[0], word[4]};
  std::memcpy(choice, words, sizeof words);
}

struct Columns {
  Vector even, odd;
};

// The left and the right pixels of eight windows in one of their rows.
FEDLOOM_ALWAYS_INLINE Columns load_columns(const float* row) {
  const auto first = simd::load<Vector>(row);
  const auto second = simd::load<Vector>(row + kWindows);
  return {__builtin_shufflevector(first, second, 0, 2, 4, 6, 8, 10, 12, 14),
          __builtin_shufflevector(first, second, 1, 3, 5, 7, 9, 11, 13, 15)};
}

FEDLOOM_ALWAYS_INLINE void take_larger(Vector& value, Index& index, const Vector& candidate, int number) {
  const Index larger = (candidate > value) | (candidate != candidate);  // NOLINT: a NaN
  value = larger ? candidate : value;
  index = larger ? Index{} + number : index;
}

FEDLOOM_ALWAYS_INLINE void pool_vector(const float* top, const float* bottom, float bias, bool relu,
                                       float* pooled, std::uint8_t* choice) {
  const Columns upper = load_columns(top);
  const Columns lower = load_columns(bottom);
  Vector value = upper.even;
  Index index{};
  take_larger(value, index, upper.odd, 1);
  take_larger(value, index, lower.even, 2);
  take_larger(value, index, lower.odd, 3);
  value += bias;
  if (relu) {
    const Vector zero{};
    index = value > zero ? index : Index{} + kDead;
    value = value < zero ? zero : value;
  }
  simd::store(pooled, value);
  store_choice(choice, index);
}

// Fewer than eight windows, without touching what follows them.
FEDLOOM_ALWAYS_INLINE void pool_rest(const float* top, const float* bottom, std::size_t count, float bias,
                                     bool relu, float* pooled, std::uint8_t* choice) {
  float upper[2 * kWindows] = {};
  float lower[2 * kWindows] = {};
  float values[kWindows];
  std::uint8_t choices[kWindows];
  std::memcpy(upper, top, 2 * count * sizeof(float));
  std::memcpy(lower, bottom, 2 * count * sizeof(float));
  pool_vector(upper, lower, bias, relu, values, choices);
  std::memcpy(pooled, values, count * sizeof(float));
  std::memcpy(choice, choices, count);
}

// Rows of windows whose last vector, begun in either of their two rows, ends within the plane.
std::size_t windows_with_room(const PoolPlanes& planes) {
  const std::size_t width = planes.pooled_width();
  const std::size_t last = (width - 1) / kWindows * kWindows;  // where a row's last vector begins
  std::size_t rows = planes.pooled_height();
  const auto fits = [&](std::size_t y) {
    return (2 * y + 1) * planes.width + 2 * (last + kWindows) <= planes.height * planes.width &&
           y * width + last + kWindows <= planes.pooled_height() * width;
  };
  while (rows > 0 && !fits(rows - 1)) --rows;
  return rows;
}

// Two gradient values per window for one of its rows: `left` and `right` are the choices that fall there.
FEDLOOM_ALWAYS_INLINE void unpool_vector(const float* pooled_gradient, const std::uint8_t* choice, int left,
                                         int right, float* gradient) {
  const auto value = simd::load<Vector>(pooled_gradient);
  const Index index = load_choice(choice);
  const Vector first = simd::keep<kWindows>(value, index == left);
  const Vector second = simd::keep<kWindows>(value, index == right);
  // Interleaved in two halves: a vector of both would be put together float by float on AVX2.
  simd::store(gradient, __builtin_shufflevector(first, second, 0, 8, 1, 9, 2, 10, 3, 11));
  simd::store(gradient + kWindows, __builtin_shufflevector(first, second, 4, 12, 5, 13, 6, 14, 7, 15));
}

FEDLOOM_ALWAYS_INLINE void unpool_rest(const float* pooled_gradient, const std::uint8_t* choice,
                                       std::size_t count, int left, int right, float* gradient) {
  float values[kWindows] = {};
  std::uint8_t choices[kWindows] = {};
  float spread[2 * kWindows];
  std::memcpy(values, pooled_gradient, count * sizeof(float));
  std::memcpy(choices, choice, count);
  unpool_vector(values, choices, left, right, spread);
  std::memcpy(gradient, spread, 2 * count * sizeof(float));
}

}  // namespace

FEDLOOM_SIMD_CLONES
void pool2x2(const PoolPlanes& planes, const float* in, const float* bias, bool relu, float* pooled,
             std::uint8_t* choice) {
  const std::size_t out_height = planes.pooled_height();
  const std::size_t out_width = planes.pooled_width();
  const std::size_t whole = windows_with_room(planes);
  for (std::size_t plane = 0; plane < planes.count; ++plane) {
    const float shift = bias == nullptr ? 0.0F : bias[plane];
    for (std::size_t y = 0; y < out_height; ++y, pooled += out_width, choice += out_width) {
      const float* top = in + plane * planes.stride + 2 * y * planes.width;
      const float* bottom = top + planes.width;
      const std::size_t vectors_end = y < whole ? out_width : out_width / kWindows * kWindows;
      std::size_t x = 0;
      for (; x < vectors_end; x += kWindows)
        pool_vector(top + 2 * x, bottom + 2 * x, shift, relu, pooled + x, choice + x);
      if (x < out_width)
        pool_rest(top + 2 * x, bottom + 2 * x, out_width - x, shift, relu, pooled + x, choice + x);
    }
  }
}

FEDLOOM_SIMD_CLONES
void unpool2x2(const PoolPlanes& planes, const float* pooled_gradient, const std::uint8_t* choice,
               float* gradient) {
  const std::size_t out_height = planes.pooled_height();
  const std::size_t out_width = planes.pooled_width();
  const std::size_t whole = windows_with_room(planes);
  for (std::size_t plane = 0; plane < planes.count; ++plane) {
    float* row = gradient + plane * planes.stride;
    for (std::size_t y = 0; y < out_height; ++y, pooled_gradient += out_width, choice += out_width) {
      const std::size_t vectors_end = y < whole ? out_width : out_width / kWindows * kWindows;
      for (int half = 0; half < 2; ++half, row += planes.width) {
        std::size_t x = 0;
        for (; x < vectors_end; x += kWindows)
          unpool_vector(pooled_gradient + x, choice + x, 2 * half, 2 * half + 1, row + 2 * x);
        if (x < out_width)
          unpool_rest(pooled_gradient + x, choice + x, out_width - x, 2 * half, 2 * half + 1, row + 2 * x);
        if (planes.width % 2 != 0) row[planes.width - 1] = 0.0F;
      }
    }
    if (planes.height % 2 != 0) std::fill_n(row, planes.width, 0.0F);
  }
}

}  // namespace fedloom
