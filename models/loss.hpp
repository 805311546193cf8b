// Losses on logits. Sums over the batch in double; whoever calls divides.
// Objectives that want another loss override LocalObjective::loss.
#pragma once

#include <cstdint>
#include <span>

namespace fedloom {

struct LossSum {
  double loss = 0.0;          // sum over examples, natural log
  std::uint64_t correct = 0;  // arg max equals the label (lowest index wins ties)
};

/// Softmax cross-entropy of logits (B, classes) against labels (B) in [0, classes). When
/// `logit_gradient` is not empty it receives d(sum of losses)/d logits = softmax - onehot, (B, classes).
LossSum softmax_cross_entropy(std::span<const float> logits, std::span<const std::int32_t> labels,
                              std::size_t classes, std::span<float> logit_gradient = {});

}  // namespace fedloom
