// Executor words in terms of Boost.Asio.
#include "transport/asio_executor.hpp"

#include <chrono>
#include <unordered_map>

#include "core/error.hpp"
#include "transport/asio.hpp"

namespace fedloom {

namespace asio = boost::asio;

struct AsioExecutor::State {
  // Not io_context{1}: with that hint what a task posts waits in a queue of its own until the task ends, and
  // a run_until() inside the task would never see it.
  asio::io_context context;
  asio::executor_work_guard<asio::io_context::executor_type> work = asio::make_work_guard(context);
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  TimerId last_timer = 0;
  std::unordered_map<TimerId, asio::steady_timer> timers;
};

namespace {

// Asio waits for one readiness at a time, so each wait ends by asking for the next. Asking goes through
// epoll_ctl, which reports a descriptor that is readable already: no edge is lost between two waits.
class DescriptorWatch final : public AsioExecutor::Watch {
 public:
  DescriptorWatch(asio::io_context& context, int fd, Executor::Task ready)
      : wait_(std::make_shared<Wait>(context, fd, std::move(ready))) {
    wait_->next();
  }
  ~DescriptorWatch() override {
    wait_->ready = nullptr;
    wait_->descriptor.release();
  }
  DescriptorWatch(const DescriptorWatch&) = delete;
  DescriptorWatch& operator=(const DescriptorWatch&) = delete;

 private:
  struct Wait : std::enable_shared_from_this<Wait> {
    Wait(asio::io_context& context, int fd, Executor::Task on_ready)
        : descriptor(context, fd), ready(std::move(on_ready)) {}

    void next() {
      descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                            [self = shared_from_this()](const boost::system::error_code& error) {
                              if (error || !self->ready) return;
                              const Executor::Task call = self->ready;  // may destroy the watch
                              call();
                              if (self->ready) self->next();
                            });
    }

    asio::posix::stream_descriptor descriptor;
    Executor::Task ready;
  };

  std::shared_ptr<Wait> wait_;
};

}  // namespace

AsioExecutor::AsioExecutor() : state_(std::make_unique<State>()) {}
AsioExecutor::~AsioExecutor() = default;

Tick AsioExecutor::now() const {
  const auto since = std::chrono::steady_clock::now() - state_->start;
  return std::chrono::duration_cast<std::chrono::nanoseconds>(since).count();
}

TimerId AsioExecutor::after(Tick delay, Task task) {
  FEDLOOM_CHECK(delay >= 0, "a timer {} ns in the past", -delay);
  const TimerId id = ++state_->last_timer;
  asio::steady_timer& timer = state_->timers.try_emplace(id, state_->context).first->second;
  timer.expires_after(std::chrono::nanoseconds(delay));
  timer.async_wait([this, id, task = std::move(task)](const boost::system::error_code& error) {
    // Cancelled, or cancelled after it had fired but before it was its turn.
    if (error || state_->timers.erase(id) == 0) return;
    task();
  });
  return id;
}

void AsioExecutor::cancel(TimerId timer) { state_->timers.erase(timer); }

void AsioExecutor::post(Task task) { asio::post(state_->context, std::move(task)); }

// Restarting after rather than before keeps a stop() that comes before the run: it ends the next one.
void AsioExecutor::run() {
  state_->context.run();
  state_->context.restart();
}

void AsioExecutor::stop() { state_->context.stop(); }

bool AsioExecutor::run_until(const std::function<bool()>& done, Tick timeout) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::nanoseconds(timeout);
  while (!done()) {
    const std::size_t ran = state_->context.run_one_until(deadline);
    if (ran > 0) continue;
    state_->context.restart();
    return done();
  }
  return true;
}

std::unique_ptr<AsioExecutor::Watch> AsioExecutor::watch(int fd, Task ready) {
  return std::make_unique<DescriptorWatch>(state_->context, fd, std::move(ready));
}

}  // namespace fedloom
