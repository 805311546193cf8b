// run.jsonl: what the machine did, one line per event, stamped with wall seconds. Never hashed; a resumed run
// goes on at its end, so that the file tells the story of every process that worked on the run. Strangers
// cannot fill the disk through it, and a disk that is full does not end the run for its sake.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "core/events.hpp"
#include "experiments/sinks/output_file.hpp"

namespace fedloom {

/// A warning on the terminal.
void warn_of_lost_lines(const std::string& text);

class RunLog final : public Sink {
 public:
  using Sink::on;
  using Warn = std::function<void(const std::string&)>;

  /// Lines of refusals for one reason within a minute; one more says how many were left out.
  static constexpr std::uint64_t kMostRefusals = 60;

  /// `seconds` is the wall clock: seconds since the start of this process. With `resume` the new events
  /// follow the old ones, else the file starts empty. Throws UserError.
  RunLog(const std::string& file, std::function<double()> seconds, bool resume = false,
         Warn warn = warn_of_lost_lines);

  /// Written through at once: these events are rare, and a crash is when they matter. What cannot be written
  /// is left out; `warn` hears of it once, and the file when there is room again.
  void on(const MachineEvent& event) override;
  void finish() override;

 private:
  struct Minute {
    double begin = 0.0;
    std::uint64_t lines = 0;
    std::uint64_t left_out = 0;
  };
  bool leaves_out(const Refused& refused, double now);
  void tell_left_out(Reason reason, const Minute& minute);
  void write(const MachineEvent& event);

  OutputFile file_;
  std::function<double()> seconds_;
  Warn warn_;
  std::map<Reason, Minute> refusals_;  // of the minute at hand
  std::uint64_t lost_ = 0;             // lines since the last that was written
  bool warned_ = false;
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
