// AsioExecutor as a fuzzer wants it: time stands still while there is work and then moves at once to the next
// timer, so that hours of waiting cost nothing and every run of an input is the same. Linked instead of
// transport/asio_executor.cpp. Descriptors are eventfds; a watch hears of each edge once, which is all that a
// link promises. One thread.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include <poll.h>
#include <unistd.h>

#include "transport/asio_executor.hpp"

namespace fedloom {

struct AsioExecutor::State {
  struct Watched {
    int fd;
    Task ready;
  };

  Tick now = 0;
  TimerId last_timer = 0;
  std::map<std::pair<Tick, TimerId>, Task> timers;  // by when they are due, then in order of making
  std::deque<Task> posted;
  std::vector<std::shared_ptr<Watched>> watched;
  bool stopped = false;

  // Each runs one task when there is one.
  bool run_timer(Tick until) {
    if (timers.empty() || timers.begin()->first.first > until) return false;
    now = std::max(now, timers.begin()->first.first);
    const Task task = std::move(timers.extract(timers.begin()).mapped());
    task();
    return true;
  }
  bool run_posted() {
    if (posted.empty()) return false;
    const Task task = std::move(posted.front());
    posted.pop_front();
    task();
    return true;
  }
  bool run_watched() {
    for (const auto& each : watched) {
      pollfd asked{each->fd, POLLIN, 0};
      if (::poll(&asked, 1, 0) == 0) continue;
      if ((asked.revents & POLLNVAL) != 0) std::abort();  // watched, and closed
      std::uint64_t edges = 0;
      if (::read(each->fd, &edges, sizeof edges) != sizeof edges) continue;
      const Task task = each->ready;  // may end the watch
      task();
      return true;
    }
    return false;
  }
};

namespace {

class ScriptedWatch final : public AsioExecutor::Watch {
 public:
  explicit ScriptedWatch(std::function<void()> end) : end_(std::move(end)) {}
  ~ScriptedWatch() override { end_(); }
  ScriptedWatch(const ScriptedWatch&) = delete;
  ScriptedWatch& operator=(const ScriptedWatch&) = delete;

 private:
  std::function<void()> end_;
};

}  // namespace

AsioExecutor::AsioExecutor() : state_(std::make_unique<State>()) {}
AsioExecutor::~AsioExecutor() = default;

Tick AsioExecutor::now() const { return state_->now; }

TimerId AsioExecutor::after(Tick delay, Task task) {
  if (delay < 0) std::abort();
  const TimerId id = ++state_->last_timer;
  state_->timers.emplace(std::pair(state_->now + delay, id), std::move(task));
  return id;
}

void AsioExecutor::cancel(TimerId timer) {
  std::erase_if(state_->timers, [timer](const auto& entry) { return entry.first.second == timer; });
}

void AsioExecutor::post(Task task) { state_->posted.push_back(std::move(task)); }

void AsioExecutor::run() {
  run_until([] { return false; }, std::numeric_limits<Tick>::max() / 2);
}

void AsioExecutor::stop() { state_->stopped = true; }

bool AsioExecutor::run_until(const std::function<bool()>& done, Tick timeout) {
  State& s = *state_;
  const Tick deadline = s.now + timeout;
  while (!done()) {
    if (std::exchange(s.stopped, false)) return done();
    if (s.run_timer(s.now) || s.run_posted() || s.run_watched() || s.run_timer(deadline)) continue;
    s.now = deadline;
    return done();
  }
  return true;
}

std::unique_ptr<AsioExecutor::Watch> AsioExecutor::watch(int fd, Task ready) {
  State& s = *state_;
  s.watched.push_back(std::make_shared<State::Watched>(State::Watched{fd, std::move(ready)}));
  return std::make_unique<ScriptedWatch>([&s, mine = s.watched.back()] { std::erase(s.watched, mine); });
}

}  // namespace fedloom
