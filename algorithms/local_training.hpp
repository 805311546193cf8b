// The local SGD loop that all training objectives share: which examples when, gradient, correction, clipping,
// optimizer step. What varies between algorithms is in LocalObjective, what varies between experiments in
// the recipe.
#pragma once

#include <cstdint>

#include "algorithms/local_objective.hpp"

namespace fedloom {

/// Mini-batch SGD over the client's examples as the recipe says: each epoch is a fresh keyed shuffle, the
/// last batch of an epoch may be smaller, `steps` > 0 stops after that many steps. No examples: no steps.
/// A recipe with privacy.example_clip: as many steps of DP-SGD instead (privacy/private_training.hpp).
void train_locally(const LocalObjective& objective, TaskRun& run);

/// Optimizer steps that train_locally takes on this many examples.
std::int64_t planned_steps(const Recipe& recipe, std::size_t examples);

}  // namespace fedloom
