// Everything the federation is at a window boundary, as one value: what a checkpoint holds and a resumed
// run starts from. Nothing here says which machine, process or socket was involved.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "algorithms/strategy.hpp"
#include "core/messages.hpp"
#include "server/population.hpp"

namespace fedloom {

struct FederationTotals {
  std::uint64_t client_trainings = 0;  // tasks that ended accepted
  std::uint64_t tasks = 0;             // tasks that ended, whatever the verdict
  std::uint64_t bytes_up = 0;          // as deployed
  std::uint64_t bytes_down = 0;
  double best_accuracy = 0.0;
  double last_accuracy = 0.0;
  double last_loss = 0.0;
  std::int64_t windows_to_target = -1;  // -1: not reached

  template <class Archive>
  void serialize(Archive& archive) {
    archive(client_trainings, tasks, bytes_up, bytes_down, best_accuracy, last_accuracy, last_loss,
            windows_to_target);
  }
};

/// A task that has been given out and has not ended. After a resume it is given out again as it was.
struct LiveTask {
  Task task;
  Tick started = 0;
  Work work;
  std::uint64_t examples = 0;  // registered when it was started: a client may register anew meanwhile
  bool straggler = false;
};

/// The shared vectors of a version that tasks in flight start from, or that is the current one.
struct LiveVersion {
  std::vector<Payload> shared;
  std::uint64_t uses = 0;  // tasks that start from it and have not ended, or wait to be summed
};

struct FederationState {
  ServerState server;
  ClientRecords records;
  WindowId windows = 0;  // closed so far
  Tick now = 0;
  FederationTotals totals;
  bool ended = false;
  std::map<TaskId, LiveTask> live;
  std::map<Version, LiveVersion> versions;
  Tick next_evaluation = 0;  // where evaluation goes by time
  /// What the latest patches of the model would cost a client, the last leading to the current version.
  std::vector<std::uint64_t> patch_bytes;
  double epsilon = 0.0;  // of privacy, spent by whoever has spent most, tasks in flight included
  /// Where data comes in stages: after each of those that have ended, the accuracies on it and on all before
  /// it.
  std::map<std::uint64_t, std::vector<double>> stage_accuracies;
  /// Kept client states that this boundary does not need and an older checkpoint may: the driver's, to be
  /// forgotten when those are gone.
  std::vector<TaskId> superseded;
};

}  // namespace fedloom
