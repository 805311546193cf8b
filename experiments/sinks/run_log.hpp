// run.jsonl: what the machine did, one line per event, stamped with wall seconds. Never hashed; a resumed run
// goes on at its end, so that the file tells the story of every process that worked on the run.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/events.hpp"
#include "experiments/sinks/output_file.hpp"

namespace fedloom {

class RunLog final : public Sink {
 public:
  using Sink::on;

  /// `seconds` is the wall clock: seconds since the start of this process. With `resume` the new events
  /// follow the old ones, else the file starts empty. Throws UserError.
  RunLog(const std::string& file, std::function<double()> seconds, bool resume = false);

  /// Written through at once: these events are rare, and a crash is when they matter.
  void on(const MachineEvent& event) override;
  void finish() override { file_.flush(); }

 private:
  OutputFile file_;
  std::function<double()> seconds_;
};

/// What the processes of a run have used, added up over all of them: a resumed run's summary starts from it.
struct MachineTotals {
  double wall_seconds = 0.0;
  std::uint64_t client_trainings = 0;
  std::uint64_t socket_bytes_sent = 0;
  std::uint64_t socket_bytes_received = 0;
  std::uint64_t peak_resident_bytes_all = 0;  // the largest seen, not a sum

  bool operator==(const MachineTotals&) const = default;
};

/// Adds up the last machine state of every process in a run.jsonl; lines that do not parse are passed over,
/// since a process may have died in the middle of any. A missing file gives zeros.
MachineTotals read_machine_totals(const std::string& file);

}  // namespace fedloom
