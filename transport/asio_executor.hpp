// The real executor: wall-clock time, timers and file descriptors on one Boost.Asio loop. Not a thread
// pool: run() is one thread, and heavy work belongs on others that post() their results.
#pragma once

#include <functional>
#include <memory>

#include "core/executor.hpp"

namespace fedloom {

/// Ticks are nanoseconds of the steady clock since construction. post() and stop() are safe from any thread.
class AsioExecutor final : public Executor {
 public:
  AsioExecutor();
  ~AsioExecutor() override;

  Tick now() const override;
  TimerId after(Tick delay, Task task) override;
  void cancel(TimerId timer) override;
  void post(Task task) override;
  void run() override;
  void stop() override;

  /// Runs until `done` holds, asked after every task; false when `timeout` nanoseconds pass or stop() is
  /// called first. May be used inside a task, which then goes on when `done` holds.
  bool run_until(const std::function<bool()>& done, Tick timeout);

  /// While it lives, `ready` is called whenever `fd` is readable. It must go before the descriptor is closed,
  /// on the executor's thread, and before the executor.
  class Watch {
   public:
    virtual ~Watch() = default;
  };
  /// The descriptor stays its owner's: it is never closed here.
  std::unique_ptr<Watch> watch(int fd, Task ready);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fedloom
