// Who trained when, of one run whose ticks are time: waiting, staleness, and the tasks of a few clients one
// by one. It folds the events as they are read; what the page makes of it is in timeline_json.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "core/events.hpp"

namespace fedloom {

/// A task of a client. Times are seconds as ticks count them.
struct TaskBar {
  TaskId task;
  double start = 0.0;
  double end = 0.0;  // of a task without a verdict: where the log ends
  Version version = 0;
  std::uint64_t staleness = 0;
  std::optional<Verdict> verdict;  // none: the run ended while the client was training
};

/// What remains of a run's tasks when it has been read. Its size is bounded but for `busy`, which has a
/// number per client that ever had a task, and `staleness`, which has one per value that occurred.
struct Timeline {
  double begin = 0.0;  // seconds: the first window opened
  double end = 0.0;    // the last event
  std::uint64_t tasks = 0;
  std::map<std::uint64_t, std::uint64_t> staleness;  // accepted tasks by staleness
  std::vector<double> busy;                          // share of [begin, end] per client, descending
  double idle = kNoNumber;                           // 1 - the mean of `busy`, over runs longer than nothing

  // The part that is shown task by task.
  std::vector<ClientId> rows;       // ascending; evenly chosen from all that had a task
  std::vector<TaskBar> bars;        // their tasks by start, then client
  double shown_until = 0.0;         // `bars` are complete for [begin, shown_until]
  std::uint64_t windows = 0;        // closed within the part
  std::vector<double> window_ends;  // seconds, evenly chosen from those

  /// Of the accepted tasks; kNoNumber without any.
  double mean_staleness() const;
};

/// How much of the part is kept.
struct TimelineLimits {
  std::size_t rows = 40;
  std::size_t bars = 2000;
  std::size_t window_ends = 200;
};

/// Folds the events of one run, in order. Holds all its tasks until finish(), about 60 bytes each.
class TimelineFold {
 public:
  /// ticks_per_second as RunStarted tells, above 0.
  explicit TimelineFold(double ticks_per_second) : ticks_per_second_(ticks_per_second) {}

  void on(const FederationEvent& event);
  /// Nothing may follow.
  Timeline finish(const TimelineLimits& limits = {});

 private:
  double seconds(Tick tick) const { return static_cast<double>(tick) / ticks_per_second_; }
  void reach(Tick tick);
  void ended(const TaskEnded& event);
  void add_busy(Timeline& timeline) const;
  void choose_rows(Timeline& timeline, const TimelineLimits& limits);

  double ticks_per_second_;
  std::optional<Tick> begin_;
  Tick end_ = 0;
  std::vector<TaskBar> tasks_;          // by start
  std::map<TaskId, std::size_t> live_;  // indices into tasks_
  std::vector<double> window_ends_;
  std::map<std::uint64_t, std::uint64_t> staleness_;
};

}  // namespace fedloom
