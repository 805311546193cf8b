// What a run's folder holds of an earlier call of the same sweep. Nothing is changed here, and whether the
// folder is in use at this moment is found out by the run itself (experiments/run_folder.hpp).
#pragma once

#include <string>

#include "wiring/experiment.hpp"

namespace fedloom {

enum class PastRun {
  none,         // nothing that counts
  interrupted,  // goes on from where it was, or from its start
  finished,     // its summary is there, for this very experiment
};

/// Compares the folder of a run with the experiment that is to be run in it. A finished run of fewer rounds
/// is interrupted: it goes on. Throws UserError that says what changed when the folder belongs to another
/// experiment.
PastRun past_run(const std::string& folder, const ExperimentConfig& config);

}  // namespace fedloom
