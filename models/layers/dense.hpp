// A fully connected layer, optionally with its ReLU.
// Products go through gemm; weights are stored (out, in) as PyTorch does.
#pragma once

#include "models/initializer.hpp"
#include "models/layers/layer.hpp"

namespace fedloom {

struct DenseOptions {
  std::int64_t outputs;  // >= 1
  bool relu = false;
  Initializer initializer = Initializer::glorot_uniform;
};

/// y = x W^T + b, then max(y, 0) when `relu`. Slices NAME.weight (outputs, inputs) and NAME.bias (outputs).
/// An input of several dimensions is taken flat.
LayerRecipe dense(std::string name, DenseOptions options);

}  // namespace fedloom
