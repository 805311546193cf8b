// The windows of a pooling layer of any kernel, stride and padding: which pixels they cover and how many
// windows there are. Padding counts as no pixel for the maximum and as zeros for the mean.
#pragma once

#include <cstddef>
#include <cstdint>

#include "models/layers/layer.hpp"

namespace fedloom {

struct PoolOptions {
  std::int64_t kernel = 2;   // square, 1 to 15
  std::int64_t stride = 0;   // 0: the kernel
  std::int64_t padding = 0;  // on every side, at most half the kernel, so that every window holds a pixel
};

/// One dimension of the windows over `extent` pixels.
struct PoolAxis {
  std::size_t extent;
  std::size_t windows;
  std::size_t kernel;
  std::size_t stride;
  std::size_t padding;

  /// Windows [first, last) that have a pixel, not padding, at `offset` of the kernel.
  std::size_t first(std::size_t offset) const {
    return offset >= padding ? 0 : (padding - offset + stride - 1) / stride;
  }
  std::size_t last(std::size_t offset) const {
    const std::size_t bound = extent + padding;  // position of the pixel is window * stride + offset < bound
    if (offset >= bound) return 0;
    const std::size_t count = (bound - offset + stride - 1) / stride;
    return count < windows ? count : windows;
  }
  /// The pixel at `offset` of a window that has it.
  std::size_t pixel(std::size_t window, std::size_t offset) const {
    return window * stride + offset - padding;
  }
};

struct PoolForm {
  PoolAxis rows;
  PoolAxis columns;

  Shape output(const Shape& input) const {
    return {input[0], static_cast<std::int64_t>(rows.windows), static_cast<std::int64_t>(columns.windows)};
  }
};

/// The windows over an input (channels, height, width). Rows and columns that fill no window are dropped.
/// `kind` names the layer in the UserError for an input of another form or smaller than the window.
PoolForm pool_form(const char* kind, const Shape& input, const PoolOptions& options);

}  // namespace fedloom
