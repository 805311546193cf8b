// A worker process of a simulation: hosts any client and keeps its state in the run folder. A deployed client
// is edge/client.cpp.
#include <csignal>
#include <memory>

#include <spdlog/spdlog.h>
#include <unistd.h>

#include "client/host.hpp"
#include "core/version.hpp"
#include "experiments/run.hpp"
#include "transport/asio_executor.hpp"
#include "wiring/local_parts.hpp"

namespace fedloom {

int run_worker(const std::string& endpoint, const std::string& name, const std::string& data_dir,
               const std::string& store_dir, std::size_t tasks, std::size_t crew,
               std::uint64_t receive_budget) {
  std::signal(SIGINT, SIG_IGN);  // Ctrl-C reaches the whole group; the server decides what it means
  AsioExecutor executor;
  ChannelOptions options;
  options.receive_budget_bytes = receive_budget;
  options.heartbeat_timeout = 600 * kSecond;  // the kernel ends us with our parent; silence is only work
  const auto channel = make_client_channel(endpoint, executor, options);
  Hello hello;
  hello.name = name;
  hello.build = kVersion;
  hello.cpu = cpu_name();
  hello.capacity = static_cast<std::uint32_t>(tasks);
  hello.process = getpid();
  const auto make = [&](const std::string& text, std::span<const float> initial) {
    const ExperimentConfig config = parse_experiment(text, "the server's experiment").config;
    load_plugins(config);
    return make_world(
        config, local_parts(config, pooled_data(config, load_data(config, data_dir, worker_holder(config)))),
        std::make_shared<DiskClientStore>(store_dir), crew, initial);
  };
  int code = 0;
  const ClientHost host(
      *channel, executor, hello, make,
      [&](const std::string& reason, bool failed) {
        if (failed) spdlog::error("{}: {}", name, reason);
        code = failed ? 1 : 0;
        executor.stop();
      },
      [&](const std::string& text) { spdlog::warn("{}: {}", name, text); });
  executor.run();
  channel->close();
  return code;
}

}  // namespace fedloom
