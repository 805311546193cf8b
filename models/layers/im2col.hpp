// Images to matrices of patches and back, so that a convolution is a matrix product. The matrix is (patch,
// position): row (c, kh, kw) holds, for every output position, the pixel that this kernel tap meets there.
#pragma once

#include <cstddef>

namespace fedloom {

/// A square-kernel convolution of one image: extents in pixels, padding < kernel on every side.
struct ConvGeometry {
  std::size_t channels;
  std::size_t height;
  std::size_t width;
  std::size_t kernel;
  std::size_t stride;
  std::size_t padding;

  std::size_t out_height() const { return (height + 2 * padding - kernel) / stride + 1; }
  std::size_t out_width() const { return (width + 2 * padding - kernel) / stride + 1; }
  /// Output positions P of one image.
  std::size_t positions() const { return out_height() * out_width(); }
  /// Rows K of the patch matrix.
  std::size_t patch() const { return channels * kernel * kernel; }
  std::size_t padded_height() const { return height + 2 * padding; }
  std::size_t padded_width() const { return width + 2 * padding; }
  std::size_t padded_size() const { return channels * padded_height() * padded_width(); }
};

/// Whole-vector copies may read and write this many floats before and after the padded images and the matrix.
constexpr std::size_t kIm2colSlack = 64;

/// `padded` (images, channels, padded_height, padded_width) := the images with a border of zeros.
void pad_images(const ConvGeometry& geometry, const float* images, std::size_t count, float* padded);

/// `columns` (K, count * P) := patches of `count` padded images, image after image in each row. Both buffers
/// have kIm2colSlack floats around them.
void im2col(const ConvGeometry& geometry, const float* padded, std::size_t count, float* columns);

/// `images` (count, channels, height, width) := for each pixel the sum of what its patches hold: the adjoint
/// of pad_images and im2col. `columns` has kIm2colSlack floats around it; `images` is written exactly.
void col2im(const ConvGeometry& geometry, const float* columns, std::size_t count, float* images);

/// `rows` (P, K) := the patches of image `image` as rows, the transpose of its part of `columns` (K, count *
/// P).
void patch_rows(const ConvGeometry& geometry, const float* columns, std::size_t count, std::size_t image,
                float* rows);

}  // namespace fedloom
