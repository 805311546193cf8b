// A client host and the scripted server that it talks to over an in-process channel. Clients hold the
// quadratic federation, and training waits where a test wants it to.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "client/host.hpp"
#include "tests/support/quadratic_world.hpp"
#include "tests/transport/channel_world.hpp"
#include "transport/codec.hpp"

namespace fedloom::testing {

inline const std::vector<std::size_t> kSizes = {5, 1, 0, 12, 30};

// Training waits here for as long as a test wants it to.
class Gate {
 public:
  void close() { set(false); }
  void open() { set(true); }
  void pass() {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return open_; });
  }

 private:
  void set(bool open) {
    const std::scoped_lock lock(mutex_);
    open_ = open;
    wake_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable wake_;
  bool open_ = true;
};

class GatedDescent : public PlainDescent {
 public:
  explicit GatedDescent(Gate& gate) : gate_(gate) {}
  void step(const Layout& layout, std::span<float> parameters, std::span<const float> gradient,
            double rate) override {
    gate_.pass();
    PlainDescent::step(layout, parameters, gradient, rate);
  }

 private:
  Gate& gate_;
};

class HostWorld {
 public:
  explicit HostWorld(const std::string& algorithm = "fedavg", bool deployed = false,
                     const ChannelOptions& servers = {}, const ChannelOptions& own = {},
                     std::uint32_t threads = 1)
      : local(quadratic_world(algorithm, "{}", 3, kSizes)), server_(world.server(servers)) {
    local->make_optimizer = [this] { return std::make_unique<GatedDescent>(gate); };
    node_ = world.client("inproc://test", own);
    Hello hello;
    hello.name = "host";
    hello.capacity = threads;
    if (deployed) hello.client = 3;
    host = std::make_unique<ClientHost>(
        *node_->channel, world.executor, hello,
        [this](const std::string& experiment,
               std::span<const float> /*initial*/) -> std::shared_ptr<const LocalWorld> {
          if (experiment == "bad") throw user_error("no such data");
          ++worlds;
          return local;
        },
        [this](const std::string& reason, bool failed) { ends.emplace_back(reason, failed); },
        [this](const std::string& text) { said.push_back(text); });
    EXPECT_TRUE(world.wait([this] { return heard<Hello>().size() == 1; }));
  }
  ~HostWorld() { gate.open(); }

  template <class T>
  void say(const T& value) {
    server_->channel->send(server_->channel->peers().back(), encode(value));
  }
  template <class T>
  std::vector<T> heard() const {
    std::vector<T> values;
    for (const auto& [peer, message] : server_->seen.messages)
      if (auto value = decode<T>(message)) values.push_back(std::move(*value));
    return values;
  }
  template <class T>
  std::vector<T> hear(std::size_t count) {
    EXPECT_TRUE(world.wait([&] { return heard<T>().size() >= count; }))
        << heard<T>().size() << " of " << count;
    return heard<T>();
  }
  void welcome(const std::string& run = "run 1") {
    say(Welcome{run, "good", local->model->layout()->fingerprint()});
  }
  void share(Version version, float value = 0.5F) {
    say(Shared{version, version, Payload::from("model", Tensor::vector(FloatBuffer(3, value)))});
    say(Shared{version, version, Payload::from("control", Tensor::vector(FloatBuffer(3, 0.0F)))});
  }
  Task task(ClientId client, std::uint32_t number, bool hold = false) const {
    Task task;
    task.id = {client, number};
    task.shared = {"model"};
    if (local->strategy->traits().keeps_client_state) task.shared.emplace_back("control");
    task.hold = hold;
    task.recipe = {.epochs = 1, .batch_size = 4, .learning_rate = 0.1};
    return task;
  }
  /// The update that any trainer would make of this task.
  Update expected(const Task& wanted, float value = 0.5F) const {
    auto apart = std::make_shared<LocalWorld>(*local);
    apart->store = std::make_shared<MemoryClientStore>();
    apart->make_optimizer = [] { return std::make_unique<PlainDescent>(); };
    SharedVectors shared;
    shared["model"] = Payload::from("model", Tensor::vector(FloatBuffer(3, value)));
    shared["control"] = Payload::from("control", Tensor::vector(FloatBuffer(3, 0.0F)));
    return LocalTrainer(apart).run(wanted, shared);
  }
  /// Everything said so far has been acted on: an evaluation of nobody's data comes back after it.
  void settle() {
    const std::size_t before = heard<ClientEvaluations>().size();
    say(EvaluateClients{0, {{0, 0}}});
    hear<ClientEvaluations>(before + 1);
  }

  /// Lets training go on once the host has read all that was said, and waits for the first update. With one
  /// thread the tasks before that update have then ended too.
  void train_after_reading() {
    // Messages are read in order, and the host complains of this one.
    const std::size_t before = said.size();
    say(PartialSum{});
    EXPECT_TRUE(world.wait([&] { return said.size() > before; }));
    gate.open();
    hear<Update>(1);
    settle();
    settle();
  }

  World world{"inproc"};
  Gate gate;
  std::shared_ptr<LocalWorld> local;
  std::vector<std::pair<std::string, bool>> ends;
  std::vector<std::string> said;
  int worlds = 0;

 private:
  std::unique_ptr<Node> server_;
  std::unique_ptr<Node> node_;

 public:
  std::unique_ptr<ClientHost> host;
};

}  // namespace fedloom::testing
