// A few threads that do the parts of one job together, again and again, within microseconds and without heap
// allocation. Not a queue of tasks (client/task_pool.hpp): the caller works too and waits for the end.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace fedloom {

class Crew {
 public:
  /// threads >= 1, the caller's included; they are started here and end with the crew.
  explicit Crew(std::size_t threads);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  std::size_t threads() const { return helpers_.size() + 1; }
  /// Calls part(0) … part(parts - 1), each once, by whichever thread is free, and returns when all are done.
  /// What a part throws is thrown here (the first, if several do). One run at a time, not from inside a part.
  template <class Part>
  void run(std::size_t parts, const Part& part) {
    run(parts, {&part, [](const void* job, std::size_t index) { (*static_cast<const Part*>(job))(index); }});
  }

 private:
  struct Job {
    const void* job = nullptr;
    void (*call)(const void* job, std::size_t index) = nullptr;
  };

  void run(std::size_t parts, Job job);
  void help();
  void work();

  Job job_;
  std::size_t parts_ = 0;
  std::atomic<std::size_t> next_ = 0;       // the part to be taken next
  std::atomic<std::uint32_t> started_ = 0;  // jobs given out; helpers wait for it to change
  std::atomic<std::uint32_t> busy_ = 0;     // helpers that have not finished the job
  std::atomic<bool> stopping_ = false;
  std::mutex failure_mutex_;
  std::exception_ptr failure_;
  std::vector<std::jthread> helpers_;  // last: they use the members above
};

}  // namespace fedloom
