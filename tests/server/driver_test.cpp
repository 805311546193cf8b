// The driver of a deployed run with scripted clients on in-process channels.
#include "server/driver.hpp"

#include <gtest/gtest.h>

#include "tests/server/scripted_port.hpp"
#include "transport/channel.hpp"
#include "transport/codec.hpp"

namespace fedloom::testing {
namespace {

class ScriptedClient {
 public:
  /// Answers each task `hops` turns of the executor after it came.
  ScriptedClient(AsioExecutor& executor, const ChannelOptions& options, ClientId client, int hops,
                 std::function<Update(const Task&)> work)
      : executor_(executor), work_(std::move(work)), hops_(hops) {
    channel_ = make_client_channel("inproc://driver", executor, options);
    Hello hello;
    hello.name = fmt::format("client {}", client);
    hello.client = client;
    hello.examples = 10;
    ChannelHandlers handlers;
    handlers.on_peer = [this, hello](PeerId, PeerChange change, Reason) {
      if (change == PeerChange::joined) channel_->send(kServerPeer, encode(hello));
    };
    handlers.on_message = [this](PeerId, Message&& message) {
      if (const auto task = decode<Task>(message)) answer(*task, hops_);
    };
    channel_->set_handlers(std::move(handlers));
  }

 private:
  void answer(const Task& task, int hops) {
    if (hops > 0) return executor_.post([this, task, hops] { answer(task, hops - 1); });
    ++asked;
    channel_->send(kServerPeer, encode(work_(task)));
  }

  AsioExecutor& executor_;
  std::function<Update(const Task&)> work_;
  int hops_;
  std::unique_ptr<Channel> channel_;

 public:
  int asked = 0;
};

// As with limits.memory too small for its training. Its failures come far faster than the other's update.
TEST(DeployedDriver, AClientWhoseTasksFailDoesNotEndTheOthersRun) {
  for (const char* pacer_name : {"fedasync", "sync"}) {
    SCOPED_TRACE(pacer_name);
    AsioExecutor executor;
    ChannelOptions options;
    options.hub = make_inproc_hub();
    const auto server = make_server_channel("inproc://driver", executor, options);
    const Algorithm algorithm = make_algorithm_of("fedavg");
    const auto pacer = make_pacer(
        pacer_name == std::string("sync") ? "clients_per_round: 1" : "concurrency: 2", 1.0, pacer_name);
    const auto sampler = SamplerRegistry::instance().find("uniform", "sampler").make(ConfigNode());
    Layout::Builder builder;
    builder.add("w", {2});
    DriverParts parts;
    parts.config.windows = 3;
    parts.fleet.deployed = true;
    parts.fleet.population = 2;
    parts.strategy = algorithm.strategy.get();
    parts.pacer = pacer.get();
    parts.sampler = sampler.get();
    parts.examples = [](ClientId) { return 10; };
    parts.clients = parts.peers_to_wait_for = 2;
    parts.virtual_time = false;
    parts.channel = server.get();
    parts.executor = &executor;
    parts.evaluate = [](std::span<const float>, const std::string&, std::uint64_t) { return std::nullopt; };
    parts.checkpoint = [](const FederationState&) { return false; };
    parts.state.server.model = ParameterVector(builder.build());
    Driver driver(std::move(parts));
    ScriptedClient broken(executor, options, 0, 0, [](const Task& task) {
      Update failed;
      failed.id = task.id;
      failed.reason = Reason::failed;
      failed.error = "no memory";
      return failed;
    });
    ScriptedClient sound(executor, options, 1, 1000, [](const Task& task) {
      return make_update(task.id, 10, {{"delta", FloatBuffer(2, 1.0F)}});
    });
    driver.run();
    EXPECT_EQ(driver.state().windows, 3U);
    EXPECT_GE(sound.asked, 2);
    EXPECT_LE(broken.asked, 2) << "it rests for a second, then for two";
  }
}

}  // namespace
}  // namespace fedloom::testing
