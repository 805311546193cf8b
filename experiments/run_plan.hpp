// What a run needs of the machine: how many worker processes and threads, and where its server listens.
// Decided from the `runtime` and `deploy` sections; no result depends on it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "experiments/sinks/progress.hpp"
#include "experiments/sinks/run_summary.hpp"
#include "wiring/experiment.hpp"

namespace fedloom {

struct Workers {
  std::size_t processes = 1;
  std::size_t tasks = 1;  // that one process trains at a time
  std::size_t crew = 1;   // threads that train one task; more than one where train.parallel is
};

/// Zeros in `runtime` mean: as many workers as have `crew` cores each, and the cores shared out between
/// workers. A worker's threads are tasks x crew, so that no setting but the user's own asks for more threads
/// than there are cores.
Workers worker_plan(const ExperimentConfig& config);
/// The resolved experiment as peers are told it. Deployed clients hear nothing of this machine: files keep
/// their names and lose their folders, keys, the list of clients and the status page are left out.
std::string experiment_for_peers(const ExperimentConfig& config, bool deployed);
/// The server's endpoint; `folder` (the run's) keeps ipc sockets of runs apart.
std::string endpoint_for(const ExperimentConfig& config, bool deployed, const std::string& folder);

/// Whether a finished run has reached what is asked of it now. `saved`: rounds of its newest checkpoint.
bool has_nothing_left(const ExperimentConfig& config, const RunSummary& summary,
                      std::optional<WindowId> saved);
/// Whether a checkpoint belongs at the end of this round: as often as is asked for, at the last, and in a
/// private federation of real time at all, as a round that is run again there is another one, whose privacy
/// is spent too.
bool checkpoint_is_due(const ExperimentConfig& config, bool deployed, WindowId windows, bool reached_target);
/// What the terminal is told of the plan.
ProgressOptions progress_options(const ExperimentConfig& config, bool deployed);

}  // namespace fedloom
