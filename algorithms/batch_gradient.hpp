// Gradients of a batch of any size, through a workspace of fixed size: the batch is cut into pieces of
// Recipe::examples_at_once() whose gradients are summed. Two sums are offered: the mean gradient that SGD
// follows, and the sum of gradients clipped one by one that differential privacy needs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "algorithms/local_objective.hpp"

namespace fedloom {

/// One per task and thread. Uses the run's model, data, workspace, parameters and objective's loss; allocates
/// when it is made and when a batch first needs more than one piece, never again.
class BatchGradient {
 public:
  struct Sum {
    double loss = 0.0;          // over the targets, not clipped
    std::uint64_t judged = 0;   // targets that the loss is of: one an example, or its hidden tokens
    std::uint64_t clipped = 0;  // examples that were longer than the bound
  };

  /// Both must outlive it. The workspace must hold run.recipe.examples_at_once() examples or all there are.
  BatchGradient(const LocalObjective& objective, TaskRun& run);

  /// run.gradient := mean over the targets of the examples at `positions` (at least one) of the gradient of
  /// their loss: over the examples where each has one, over all hidden tokens where those are predicted.
  /// Equal to that of the whole batch at once up to float rounding, but for layers that normalise over the
  /// batch: they see pieces.
  Sum mean(std::span<const std::uint32_t> positions);

  /// Whether these examples fit the workspace at once.
  bool in_one_piece(std::span<const std::uint32_t> positions) const { return positions.size() <= at_once_; }

  /// run.parameters -= rate * mean gradient, for examples in_one_piece: the bits of mean() and then plain
  /// SGD. run.gradient is undefined afterwards.
  Sum descend(std::span<const std::uint32_t> positions, double rate);

  /// run.gradient := sum over the examples at `positions` of g_i min(1, bound / |g_i|), g_i the gradient of
  /// one example's loss, the mean over its targets, over trained slices: zero for no examples. bound > 0. The
  /// norms come from a first backward pass without parameter gradients, the sum from a second with weights
  /// (ghost clipping), so no example's gradient is ever formed. Abadi et al., Deep Learning with Differential
  /// Privacy, CCS 2016; Li, Tramèr, Liang, Hashimoto, Large Language Models Can Be Strong Differentially
  /// Private Learners, ICLR 2022. The loss must treat examples apart, as cross-entropy does; a model that
  /// mixes them (Model::mixing_layer) is refused with a UserError before anything is computed. An example
  /// whose gradient is not finite adds nothing and counts as clipped.
  Sum clipped_sum(std::span<const std::uint32_t> positions, double bound);

 private:
  template <class Backward>
  Sum in_pieces(std::span<const std::uint32_t> positions, Backward backward);
  std::span<float> piece_gradient();

  const LocalObjective& objective_;
  TaskRun& run_;
  std::size_t at_once_;
  Random dropout_;
  FloatBuffer logit_gradient_;          // (at_once, outputs)
  FloatBuffer piece_gradient_;          // full layout; empty until a batch has a second piece
  std::vector<double> square_norms_;    // (at_once), of one example each; empty until clipped_sum
  std::vector<float> example_weights_;  // (at_once)
};

}  // namespace fedloom
