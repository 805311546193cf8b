// Which strategies go with which pacers. Only combinations that have a meaning do; the others are refused
// with the reason, before any data is read.
#pragma once

#include "wiring/experiment.hpp"

namespace fedloom {

/// Throws UserError when the experiment's strategy makes no sense under its pacer, or one of them does not
/// exist.
void check_pacing(const ExperimentConfig& config);

}  // namespace fedloom
