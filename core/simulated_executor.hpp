// Virtual time. Events are small values in one total order, so that a run is the same run everywhere and
// its queue can be written to a checkpoint and read back. Tie rules as in discrete-event simulators
// (SimGrid, Envoy's simulated time); what an event means is the owner's business.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "core/executor.hpp"

namespace fedloom {

/// What happens, in the order in which it happens within one tick: a result that lands on the end of a
/// window is inside it, an aggregation is seen by whoever starts at that tick, and evaluation sees the
/// aggregated model.
enum class EventKind : std::uint8_t {
  client_finish = 0,
  server_aggregate = 1,
  server_evaluate = 2,
  client_available = 3,
  client_start = 4,
};

std::string_view to_string(EventKind kind);

/// Ordered by (tick, kind, client, task). client is -1 and task 0 for events of the server.
struct Event {
  Tick tick = 0;
  EventKind kind = EventKind::client_finish;
  std::int64_t client = -1;
  std::int64_t task = 0;

  auto operator<=>(const Event&) const = default;
};

/// One thread only, post() and stop() included. At one tick, posted tasks run first, then events in their
/// order, then timers in the order they were made. Events belong to a checkpoint, timers and tasks do not:
/// whoever sets those sets them again after a resume.
class SimulatedExecutor final : public Executor {
 public:
  using Handler = std::function<void(const Event&)>;

  /// Called for each event, at its tick.
  void set_handler(Handler handler) { handler_ = std::move(handler); }
  /// Queues an event at or after now() (checked). An equal event that already waits is a programmer error.
  void schedule(const Event& event);
  /// Takes a waiting event back; false when there is no such event.
  bool cancel(const Event& event);

  /// Waiting events in the order in which they will happen.
  std::vector<Event> pending() const { return {events_.begin(), events_.end()}; }
  bool has_events() const { return !events_.empty(); }
  /// Makes the queue and the time those of a checkpoint. Timers and tasks of before are forgotten. Every
  /// event must lie at or after `now` (checked).
  void restore(Tick now, const std::vector<Event>& events);

  Tick now() const override { return now_; }
  TimerId after(Tick delay, Task task) override;
  void cancel(TimerId timer) override;
  void post(Task task) override { tasks_.push_back(std::move(task)); }
  /// Until stop() or until nothing is left.
  void run() override;
  void stop() override { stopped_ = true; }
  /// Does the next thing; false when there is none.
  bool step();

 private:
  Tick now_ = 0;
  bool stopped_ = false;
  TimerId last_timer_ = 0;
  Handler handler_;
  std::deque<Task> tasks_;
  std::set<Event> events_;
  std::map<std::pair<Tick, TimerId>, Task> timers_;
};

}  // namespace fedloom
