// What a run needs of the machine: how many worker processes and threads, and where its server listens.
// Decided from the `runtime` and `deploy` sections; no result depends on it.
#pragma once

#include <cstddef>
#include <string>

#include "experiments/experiment.hpp"

namespace fedloom {

struct Workers {
  std::size_t processes = 1;
  std::size_t threads = 1;
};

/// Zeros in the configuration mean: one worker per core, and the cores shared out between workers.
Workers worker_plan(const RuntimeConfig& runtime);
/// The server's endpoint; `folder` (the run's) keeps ipc sockets of runs apart.
std::string endpoint_for(const ExperimentConfig& config, bool deployed, const std::string& folder);

}  // namespace fedloom
