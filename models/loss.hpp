// Losses on logits. Sums over the batch in double; whoever calls divides.
// Objectives that want another loss override LocalObjective::loss.
#pragma once

#include <cstdint>
#include <span>

#include "models/model.hpp"

namespace fedloom {

struct LossSum {
  double loss = 0.0;          // sum over targets, natural log
  std::uint64_t correct = 0;  // arg max equals the target (lowest index wins ties)
};

/// Softmax cross-entropy of logits (B, classes) against labels (B) in [0, classes), or kNoTarget, which adds
/// nothing. When `logit_gradient` is not empty it receives d(sum of losses)/d logits = softmax - onehot, (B,
/// classes).
LossSum softmax_cross_entropy(std::span<const float> logits, std::span<const std::int32_t> labels,
                              std::size_t classes, std::span<float> logit_gradient = {});
/// The same of a batch, over all its targets: logits (B, targets_each, classes).
LossSum softmax_cross_entropy(std::span<const float> logits, const Batch& batch,
                              std::span<float> logit_gradient = {});

}  // namespace fedloom
