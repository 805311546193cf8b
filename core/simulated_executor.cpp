// The loop of virtual time: three ordered containers, and the least of them happens next.
#include "core/simulated_executor.hpp"

#include "core/error.hpp"

namespace fedloom {

std::string_view to_string(EventKind kind) {
  switch (kind) {
    case EventKind::client_finish: return "client_finish";
    case EventKind::server_aggregate: return "server_aggregate";
    case EventKind::server_evaluate: return "server_evaluate";
    case EventKind::client_available: return "client_available";
    case EventKind::client_start: return "client_start";
  }
  return "unknown";
}

void SimulatedExecutor::schedule(const Event& event) {
  FEDLOOM_CHECK(event.tick >= now_, "event {} of client {} at tick {}, but it is {} already",
                to_string(event.kind), event.client, event.tick, now_);
  const bool is_new = events_.insert(event).second;
  FEDLOOM_CHECK(is_new, "event {} of client {}, task {}, at tick {} is queued twice", to_string(event.kind),
                event.client, event.task, event.tick);
}

bool SimulatedExecutor::cancel(const Event& event) { return events_.erase(event) == 1; }

void SimulatedExecutor::restore(Tick now, const std::vector<Event>& events) {
  now_ = now;
  tasks_.clear();
  timers_.clear();
  events_.clear();
  for (const Event& event : events) schedule(event);
}

TimerId SimulatedExecutor::after(Tick delay, Task task) {
  FEDLOOM_CHECK(delay >= 0, "a timer {} ticks in the past", -delay);
  timers_.emplace(std::pair{now_ + delay, ++last_timer_}, std::move(task));
  return last_timer_;
}

void SimulatedExecutor::cancel(TimerId timer) {
  std::erase_if(timers_, [timer](const auto& entry) { return entry.first.second == timer; });
}

bool SimulatedExecutor::step() {
  if (!tasks_.empty()) {
    const Task task = std::move(tasks_.front());
    tasks_.pop_front();
    task();
    return true;
  }
  const bool event_first =
      !events_.empty() && (timers_.empty() || events_.begin()->tick <= timers_.begin()->first.first);
  if (event_first) {
    const Event event = *events_.begin();
    events_.erase(events_.begin());
    now_ = event.tick;
    FEDLOOM_CHECK(handler_ != nullptr, "event {} at tick {} and nobody to handle it", to_string(event.kind),
                  now_);
    handler_(event);
    return true;
  }
  if (timers_.empty()) return false;
  auto first = timers_.extract(timers_.begin());
  now_ = first.key().first;
  first.mapped()();
  return true;
}

void SimulatedExecutor::run() {
  while (!stopped_ && step()) {
  }
  stopped_ = false;
}

}  // namespace fedloom
