// The convolution layer for images whose rows fill vectors: it runs models/kernels/direct_conv.hpp on padded
// planes. models/layers/conv2d.hpp is the door; it takes patches and gemm for narrower images.
#pragma once

#include <memory>
#include <string>

#include "models/layers/conv2d.hpp"

namespace fedloom {

/// Whether an output `width` pixels wide can be computed directly.
bool conv_direct_fits(std::size_t width);

/// The layer of conv2d(); `output` is its shape after pooling, and its options were checked.
std::unique_ptr<Layer> conv_direct(std::string name, const Shape& input, const Shape& output,
                                   const Conv2dOptions& options, ParameterPlan& plan);

}  // namespace fedloom
