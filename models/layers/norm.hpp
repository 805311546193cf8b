// Normalisation of image channels: group normalisation, which sees one example at a time, and batch
// normalisation, whose statistics come from the batch in training and from running values otherwise.
#pragma once

#include <string>

#include "models/layers/layer.hpp"

namespace fedloom {

/// Zero mean and unit variance over each of `groups` groups of channels, then a scale and a shift per
/// channel: slices NAME.weight (C) and NAME.bias (C); max(., 0) last when `relu`. Input (C, ...); groups
/// divide C, or a UserError. eps = 1e-5. Y. Wu, K. He, "Group Normalization", ECCV 2018.
LayerRecipe group_norm(std::string name, std::int64_t groups, bool relu = false);

struct BatchNormOptions {
  bool relu = false;
  /// Whether running values are kept (statistic slices NAME.running_mean and NAME.running_var) and used
  /// outside training; otherwise the batch's own statistics are always used.
  bool running = true;
};

/// Zero mean and unit variance of each channel over the batch, then a scale and a shift: slices NAME.weight
/// (C) and NAME.bias (C). eps = 1e-5; running values move by a tenth towards the batch's, the variance
/// unbiased, as in PyTorch. S. Ioffe, C. Szegedy, "Batch Normalization", ICML 2015. Examples of a batch meet
/// here, so asking for per-example gradient norms in training is a UserError.
LayerRecipe batch_norm(std::string name, BatchNormOptions options = {});

}  // namespace fedloom
