// The experiment file as a whole: read with every name and combination checked, and written out again. Its
// keys are in wiring/experiment.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "wiring/experiment.hpp"

namespace fedloom {

/// Reads and checks the file with overrides laid over it, plug-ins loaded. Throws UserError.
Experiment load_experiment(const std::string& file, const std::vector<std::string>& overrides);

/// Everything written out: every key with its value, component settings included.
std::string resolved_yaml(const ExperimentConfig& config);
/// Hash over what decides the results: everything but the number of rounds (unless a schedule goes by it),
/// the duration, the target, checkpoints, runtime and deployment. A run may be resumed when it is equal.
std::uint64_t experiment_fingerprint(const ExperimentConfig& config);

}  // namespace fedloom
