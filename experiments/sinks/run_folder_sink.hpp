// All files of a run folder that grow with the run, as one sink: events.jsonl, run.jsonl, metrics.csv,
// stages.csv and tensorboard/. It does not write what belongs to the beginning (resolved.yaml) or the end
// (summary.json).
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "experiments/sinks/events_log.hpp"
#include "experiments/sinks/metrics_csv.hpp"
#include "experiments/sinks/run_log.hpp"
#include "experiments/sinks/stages_csv.hpp"
#include "experiments/sinks/tensorboard.hpp"

namespace fedloom {

/// The two clocks of the machine that run folders show; nothing that is hashed sees them.
struct RunClocks {
  std::function<double()> elapsed_seconds;  // since the start of this process
  std::function<double()> unix_seconds;     // since 1970
};

/// Where a resumed run goes on: the window of the checkpoint and EventsLog::offset() when it was written.
struct ResumePoint {
  WindowId window = 0;
  std::uint64_t events_offset = 0;
};

class RunFolderSink final : public Sink {
 public:
  /// Starts the files of a new run; makes `folder` if it is missing. Throws UserError.
  RunFolderSink(const std::string& folder, const RunClocks& clocks);
  /// Cuts the files back to `from` and goes on. Every federation event before it is given to `replay`, so
  /// that other sinks (progress, summary) know the past. Throws UserError when events.jsonl is shorter.
  RunFolderSink(const std::string& folder, const RunClocks& clocks, const ResumePoint& from,
                const std::function<void(const FederationEvent&)>& replay = {});

  void on(const FederationEvent& event) override;
  void on(const MachineEvent& event) override;
  void finish() override;

  EventsLog& events() { return events_; }
  const EventsLog& events() const { return events_; }

 private:
  EventsLog events_;
  RunLog run_;
  MetricsCsv metrics_;
  StagesCsv stages_;
  TensorBoardSink tensorboard_;
};

}  // namespace fedloom
