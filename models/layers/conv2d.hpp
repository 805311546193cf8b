// A two-dimensional convolution, optionally with the ReLU and the 2x2 max-pooling that follow it.
// Products go through gemm on im2col patches.
#pragma once

#include "models/initializer.hpp"
#include "models/layers/layer.hpp"

namespace fedloom {

struct Conv2dOptions {
  std::int64_t channels;     // of the output, >= 1
  std::int64_t kernel;       // square, >= 1
  std::int64_t stride = 1;   // >= 1
  std::int64_t padding = 0;  // zeros on every side, < kernel; (kernel - 1) / 2 keeps the size
  bool relu = false;         // max(., 0) after the bias
  bool pool = false;         // 2x2 max-pooling, stride 2, last
  Initializer initializer = Initializer::glorot_uniform;
  bool bias = true;
};

/// Input (channels, height, width). Slices NAME.weight (out, in, kernel, kernel) and, with `bias`, NAME.bias
/// (out). Throws UserError when the image is smaller than the kernel or too small to pool.
LayerRecipe conv2d(std::string name, Conv2dOptions options);

}  // namespace fedloom
