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
  bool bias = true;
  /// Applied to every position of a sequence: (T, inputs) to (T, outputs). Otherwise an input of several
  /// dimensions is taken flat.
  bool per_position = false;
};

/// y = x W^T + b, then max(y, 0) when `relu`. Slices NAME.weight (outputs, inputs) and NAME.bias (outputs).
/// Carries the adapter that the model's adaptation gives it.
LayerRecipe dense(std::string name, DenseOptions options);

}  // namespace fedloom
