// Time as the rest of the program sees it: a clock, timers and a queue of tasks. Nothing else may read a
// clock or sleep. The real executor is transport/asio_executor.hpp, the virtual one
// core/simulated_executor.hpp. The shape follows FoundationDB's network interface: one for both worlds.
#pragma once

#include <cstdint>
#include <functional>

#include "core/ids.hpp"

namespace fedloom {

// A Tick is a nanosecond on a real executor and a virtual tick on a simulated one; these help the real one.
inline constexpr Tick kMicrosecond = 1'000;
inline constexpr Tick kMillisecond = 1'000'000;
inline constexpr Tick kSecond = 1'000'000'000;

/// Names a timer of one executor; never reused within it. 0 names none.
using TimerId = std::uint64_t;

/// Runs tasks one after the other on the thread that calls run(). Everything but post() and stop() belongs
/// to that thread (or to whoever holds the executor while it does not run).
class Executor {
 public:
  using Task = std::function<void()>;

  virtual ~Executor() = default;
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  /// The current time; never goes back. Its zero is the executor's own and means nothing elsewhere.
  virtual Tick now() const = 0;
  /// Runs `task` once, `delay` >= 0 from now (checked).
  virtual TimerId after(Tick delay, Task task) = 0;
  /// Takes a timer back. One that already ran, or none (0), is ignored.
  virtual void cancel(TimerId timer) = 0;
  /// Runs `task` as soon as the tasks posted before it are done. The real executor accepts it from any
  /// thread.
  virtual void post(Task task) = 0;
  /// Works until stop(); the simulated executor also returns when nothing is left to do. May be called again.
  virtual void run() = 0;
  /// Makes run() return after the task at hand, or the next run() at once when none is at work. The real
  /// executor accepts it from any thread.
  virtual void stop() = 0;

 protected:
  Executor() = default;
};

}  // namespace fedloom
