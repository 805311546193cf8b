// What a sequence of stages goes with, and what it needs: combinations that would run and not mean what they
// say are refused with the reason.
#pragma once

#include "experiments/components.hpp"

namespace fedloom {

/// Throws UserError for ends and evaluations that are not defined on stages, and for a stage without examples
/// to be judged on. Warns of strategies that are about stages without any.
void check_continual(const ExperimentConfig& config, const Components& parts);

}  // namespace fedloom
