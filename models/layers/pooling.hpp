// 2x2 max-pooling of image planes with the bias and ReLU of the convolution before it. Adding a bias and
// taking the ReLU are monotone, so doing them after the maximum gives the same value for a quarter of the
// work.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fedloom {

/// `count` planes of height x width floats, `stride` floats apart. Pooled planes are dense: (height / 2,
/// width / 2).
struct PoolPlanes {
  std::size_t count;
  std::size_t height;
  std::size_t width;
  std::size_t stride;

  std::size_t pooled_height() const { return height / 2; }
  std::size_t pooled_width() const { return width / 2; }
};

/// pooled := max over each window, plus bias (one per plane, or nullptr), then max(., 0) when `relu`. choice
/// := which of the window (0 1 / 2 3) it was, the first of equals; 4 when the ReLU is off. NaN is the
/// largest.
void pool2x2(const PoolPlanes& planes, const float* in, const float* bias, bool relu, float* pooled,
             std::uint8_t* choice);

/// The reverse of the choice: gradient planes that hold the pooled gradient where it was chosen and 0
/// elsewhere, an odd last row and column included.
void unpool2x2(const PoolPlanes& planes, const float* pooled_gradient, const std::uint8_t* choice,
               float* gradient);

}  // namespace fedloom
