// Helpers sleep on a counter of jobs and look at it for a moment before they do: in training the next job
// follows within a fraction of a millisecond, and to be woken takes a tenth of one.
#include "models/crew.hpp"

#include <utility>

#include "core/error.hpp"

namespace fedloom {

namespace {

constexpr int kLooks = 2000;  // some 10 to 100 microseconds

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Returns once `value` is no longer `old`.
void wait_while(const std::atomic<std::uint32_t>& value, std::uint32_t old) {
  for (int look = 0; look < kLooks; ++look) {
    if (value.load(std::memory_order_acquire) != old) return;
    pause();
  }
  value.wait(old, std::memory_order_acquire);
}

}  // namespace

Crew::Crew(std::size_t threads) {
  FEDLOOM_CHECK(threads >= 1, "a crew of {} threads", threads);
  for (std::size_t i = 1; i < threads; ++i) helpers_.emplace_back([this] { help(); });
}

Crew::~Crew() {
  stopping_ = true;
  started_.fetch_add(1);
  started_.notify_all();
}

void Crew::run(std::size_t parts, Job job) {
  job_ = job;
  parts_ = parts;
  next_.store(0, std::memory_order_relaxed);
  const auto helpers = static_cast<std::uint32_t>(parts > 1 ? helpers_.size() : 0);
  if (helpers > 0) {
    busy_.store(helpers, std::memory_order_relaxed);
    started_.fetch_add(1, std::memory_order_release);
    started_.notify_all();
  }
  work();
  // All have left the job before the next may be written over it.
  for (std::uint32_t left = busy_.load(std::memory_order_acquire); helpers > 0 && left > 0;
       left = busy_.load(std::memory_order_acquire))
    wait_while(busy_, left);
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void Crew::help() {
  std::uint32_t seen = 0;
  while (true) {
    wait_while(started_, seen);
    seen = started_.load(std::memory_order_acquire);
    if (stopping_) return;
    work();
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
  }
}

void Crew::work() {
  for (std::size_t index = next_.fetch_add(1); index < parts_; index = next_.fetch_add(1)) {
    try {
      job_.call(job_.job, index);
    } catch (...) {
      const std::scoped_lock lock(failure_mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
  }
}

}  // namespace fedloom
