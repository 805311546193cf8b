// A plain queue with threads behind it.
#include "client/task_pool.hpp"

#include <utility>

namespace fedloom {

TaskPool::TaskPool(std::shared_ptr<const LocalWorld> world, std::size_t threads, Executor& executor)
    : world_(std::move(world)), executor_(executor) {
  // Trainers are made before threads: a setting they refuse is then an exception here.
  std::vector<std::unique_ptr<LocalTrainer>> trainers;
  for (std::size_t i = 0; i < threads; ++i) trainers.push_back(std::make_unique<LocalTrainer>(world_));
  for (auto& trainer : trainers) threads_.emplace_back([this, mine = std::move(trainer)] { work(*mine); });
}

TaskPool::~TaskPool() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    jobs_.clear();
  }
  wake_.notify_all();
}

void TaskPool::submit(Job job) {
  {
    const std::scoped_lock lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void TaskPool::work(LocalTrainer& trainer) {
  while (true) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    executor_.post([result = job(trainer), alive = std::weak_ptr<const bool>(alive_)] {
      if (!alive.expired()) result();
    });
  }
}

}  // namespace fedloom
