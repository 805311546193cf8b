// Patch matrices. Rows of small images are shorter than a vector, so the usual case (stride 1) moves whole
// vectors and lets their surplus lanes fall where a later copy overwrites them (im2col) or masks them out
// (col2im). Any other stride takes plain loops.
#include "models/layers/im2col.hpp"

#include <algorithm>
#include <array>

#include "models/vectors.hpp"

namespace fedloom {

namespace {

constexpr std::size_t kLanes = 16;
constexpr std::size_t kWidestKernel = 16;  // of the masked col2im; its reads stay within the slack
using Vector = simd::Floats<kLanes>;
using Mask = simd::Ints<kLanes>;

// Within a row of the matrix, positions ascend over images, rows and columns, and rows follow each other in
// memory: whatever a vector writes too much is written again by its successor.
FEDLOOM_SIMD_CLONES
void im2col_unit(const ConvGeometry& g, const float* padded, std::size_t count, float* columns) {
  const std::size_t out_height = g.out_height();
  const std::size_t out_width = g.out_width();
  const std::size_t pitch = g.padded_width();
  for (std::size_t c = 0; c < g.channels; ++c) {
    for (std::size_t tap = 0; tap < g.kernel * g.kernel; ++tap) {
      const float* corner = padded + (c * g.padded_height() + tap / g.kernel) * pitch + tap % g.kernel;
      for (std::size_t image = 0; image < count; ++image) {
        const float* from = corner + image * g.padded_size();
        for (std::size_t y = 0; y < out_height; ++y, from += pitch, columns += out_width)
          for (std::size_t x = 0; x < out_width; x += kLanes)
            simd::store(columns + x, simd::load<Vector>(from + x));
      }
    }
  }
}

void im2col_strided(const ConvGeometry& g, const float* padded, std::size_t count, float* columns) {
  const std::size_t pitch = g.padded_width();
  for (std::size_t c = 0; c < g.channels; ++c)
    for (std::size_t kh = 0; kh < g.kernel; ++kh)
      for (std::size_t kw = 0; kw < g.kernel; ++kw)
        for (std::size_t image = 0; image < count; ++image)
          for (std::size_t y = 0; y < g.out_height(); ++y) {
            const float* from =
                padded + image * g.padded_size() + (c * g.padded_height() + y * g.stride + kh) * pitch + kw;
            for (std::size_t x = 0; x < g.out_width(); ++x) *columns++ = from[x * g.stride];
          }
}

// One row of input pixels at a time: the taps that met it are gathered in registers. Pixel (r, x) met tap
// (kh, kw) at output position (r + padding - kh, x + padding - kw), where that exists.
FEDLOOM_SIMD_CLONES
void col2im_unit(const ConvGeometry& g, const float* columns, std::size_t count, float* images) {
  const auto out_height = static_cast<std::ptrdiff_t>(g.out_height());
  const auto out_width = static_cast<std::ptrdiff_t>(g.out_width());
  const auto padding = static_cast<std::ptrdiff_t>(g.padding);
  const auto kernel = static_cast<std::ptrdiff_t>(g.kernel);
  const auto width = static_cast<std::ptrdiff_t>(g.width);
  const auto row_pitch = static_cast<std::ptrdiff_t>(count * g.positions());  // from tap to tap
  std::array<Mask, kWidestKernel> valid;
  for (std::ptrdiff_t x = 0; x < width; x += static_cast<std::ptrdiff_t>(kLanes)) {
    for (std::ptrdiff_t kw = 0; kw < kernel; ++kw)
      valid[static_cast<std::size_t>(kw)] =
          simd::lanes_between<kLanes>(kw - padding - x, out_width + kw - padding - x);
    for (std::size_t plane = 0; plane < count * g.channels; ++plane) {
      const std::size_t image = plane / g.channels;
      const float* taps = columns + (plane % g.channels) * g.kernel * g.kernel * count * g.positions() +
                          image * g.positions();
      float* pixels = images + plane * g.height * g.width + x;
      for (std::ptrdiff_t r = 0; r < static_cast<std::ptrdiff_t>(g.height); ++r, pixels += width) {
        Vector total{};
        for (std::ptrdiff_t kh = std::max<std::ptrdiff_t>(0, r + padding - out_height + 1);
             kh < std::min(kernel, r + padding + 1); ++kh) {
          const float* from = taps + kh * kernel * row_pitch + (r + padding - kh) * out_width + x + padding;
          for (std::ptrdiff_t kw = 0; kw < kernel; ++kw)
            total += simd::keep<kLanes>(simd::load<Vector>(from + kw * row_pitch - kw),
                                        valid[static_cast<std::size_t>(kw)]);
        }
        if (width - x >= static_cast<std::ptrdiff_t>(kLanes))
          simd::store(pixels, total);
        else
          std::memcpy(pixels, &total, static_cast<std::size_t>(width - x) * sizeof(float));
      }
    }
  }
}

void col2im_strided(const ConvGeometry& g, const float* columns, std::size_t count, float* images) {
  std::fill_n(images, count * g.channels * g.height * g.width, 0.0F);
  for (std::size_t c = 0; c < g.channels; ++c)
    for (std::size_t kh = 0; kh < g.kernel; ++kh)
      for (std::size_t kw = 0; kw < g.kernel; ++kw)
        for (std::size_t image = 0; image < count; ++image)
          for (std::size_t y = 0; y < g.out_height(); ++y)
            for (std::size_t x = 0; x < g.out_width(); ++x, ++columns) {
              // In padded coordinates; what fell into the border is dropped.
              const std::size_t row = y * g.stride + kh;
              const std::size_t column = x * g.stride + kw;
              if (row < g.padding || row >= g.height + g.padding || column < g.padding ||
                  column >= g.width + g.padding)
                continue;
              images[((image * g.channels + c) * g.height + row - g.padding) * g.width + column -
                     g.padding] += *columns;
            }
}

}  // namespace

void pad_images(const ConvGeometry& g, const float* images, std::size_t count, float* padded) {
  std::fill_n(padded, count * g.padded_size(), 0.0F);
  for (std::size_t plane = 0; plane < count * g.channels; ++plane) {
    float* inner = padded + (plane * g.padded_height() + g.padding) * g.padded_width() + g.padding;
    for (std::size_t y = 0; y < g.height; ++y, images += g.width, inner += g.padded_width())
      std::memcpy(inner, images, g.width * sizeof(float));
  }
}

void im2col(const ConvGeometry& geometry, const float* padded, std::size_t count, float* columns) {
  if (geometry.stride == 1)
    im2col_unit(geometry, padded, count, columns);
  else
    im2col_strided(geometry, padded, count, columns);
}

void col2im(const ConvGeometry& geometry, const float* columns, std::size_t count, float* images) {
  if (geometry.stride == 1 && geometry.kernel <= kWidestKernel)
    col2im_unit(geometry, columns, count, images);
  else
    col2im_strided(geometry, columns, count, images);
}

void patch_rows(const ConvGeometry& geometry, const float* columns, std::size_t count, std::size_t image,
                float* rows) {
  const std::size_t positions = geometry.positions();
  const std::size_t patch = geometry.patch();
  columns += image * positions;
  for (std::size_t k = 0; k < patch; ++k, columns += count * positions)
    for (std::size_t p = 0; p < positions; ++p) rows[p * patch + k] = columns[p];
}

}  // namespace fedloom
