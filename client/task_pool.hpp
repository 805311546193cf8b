// The threads that train. Each owns a LocalTrainer; jobs run in the order they were given, and what a job
// returns is run on the executor's thread.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "client/local_trainer.hpp"
#include "core/executor.hpp"

namespace fedloom {

class TaskPool {
 public:
  /// Runs on a training thread and returns what the executor's thread shall do with the result, unless the
  /// pool is gone by then.
  using Job = std::function<Executor::Task(LocalTrainer&)>;

  /// threads >= 1. `executor` must outlive the pool, whose end is on its thread. Throws what making a trainer
  /// throws.
  TaskPool(std::shared_ptr<const LocalWorld> world, std::size_t threads, Executor& executor);
  /// Waits for running jobs; waiting ones are dropped.
  ~TaskPool();

  void submit(Job job);

 private:
  void work(LocalTrainer& trainer);

  std::shared_ptr<const LocalWorld> world_;
  Executor& executor_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
  bool stopping_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace fedloom
