// Workers as threads of this process, over in-process channels: for tests, debugging and small jobs. They
// share one world, so data is loaded once.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "client/local_trainer.hpp"
#include "transport/channel.hpp"

namespace fedloom {

class InprocWorkers {
 public:
  InprocWorkers(const std::string& endpoint, const ChannelOptions& options, std::size_t workers,
                std::size_t threads, const std::shared_ptr<const LocalWorld>& world);
  /// Waits for them; they end when the server has said goodbye or closed.
  ~InprocWorkers();

 private:
  struct Worker;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace fedloom
