// A thread, an executor and a client host for each in-process worker.
#include "experiments/inproc_workers.hpp"

#include "client/host.hpp"
#include "core/version.hpp"
#include "transport/asio_executor.hpp"

namespace fedloom {

struct InprocWorkers::Worker {
  AsioExecutor executor;
  std::jthread thread;
};

InprocWorkers::InprocWorkers(const std::string& endpoint, const ChannelOptions& options, std::size_t workers,
                             std::size_t threads, const std::shared_ptr<const LocalWorld>& world) {
  for (std::size_t i = 0; i < workers; ++i) {
    Worker& worker = *workers_.emplace_back(std::make_unique<Worker>());
    Hello hello;
    hello.name = fmt::format("thread {}", i + 1);
    hello.build = kVersion;
    hello.capacity = static_cast<std::uint32_t>(threads);
    worker.thread = std::jthread([&worker, endpoint, options, hello, world] {
      const auto channel = make_client_channel(endpoint, worker.executor, options);
      ClientHost host(
          *channel, worker.executor, hello,
          [world](const std::string&, std::span<const float>) { return world; },
          [&worker](const std::string&, bool) { worker.executor.stop(); }, [](const std::string&) {});
      worker.executor.run();
      channel->close();
    });
  }
}

InprocWorkers::~InprocWorkers() {
  for (auto& worker : workers_) worker->executor.stop();
}

}  // namespace fedloom
