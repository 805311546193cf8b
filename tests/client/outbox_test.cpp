// The outbox on a channel that does what the test wants.
#include "client/outbox.hpp"

#include <gtest/gtest.h>

#include "core/simulated_executor.hpp"

namespace fedloom::testing {
namespace {

// Queues up to `room` bytes; a message of more than `largest` is refused for good.
class ScriptedChannel final : public Channel {
 public:
  std::uint64_t room = 1'000'000'000;
  std::uint64_t largest = 1'000'000'000;
  bool connected = true;
  std::vector<Message> queue;
  std::size_t refusals = 0;

  void set_handlers(ChannelHandlers) override {}
  void send(PeerId, Message message) override {
    const std::uint64_t size = payload_size(message);
    if (!connected || size > largest || (!queue.empty() && queued() + size > room)) {
      ++refusals;
    } else {
      queue.push_back(std::move(message));
    }
  }
  void disconnect(PeerId, Reason) override {}
  void close() override {}
  void keep(const Blob&) override {}
  ChannelStats stats() const override {
    ChannelStats stats;
    stats.queued_bytes = queued();
    return stats;
  }
  std::vector<PeerId> peers() const override {
    return connected ? std::vector<PeerId>{kServerPeer} : std::vector<PeerId>{};
  }
  std::string endpoint() const override { return ""; }
  std::string key_of(PeerId) const override { return ""; }

 private:
  std::uint64_t queued() const {
    std::uint64_t bytes = 0;
    for (const Message& message : queue) bytes += payload_size(message);
    return bytes;
  }
};

class OutboxTest : public ::testing::Test {
 protected:
  void push(std::uint32_t task, std::size_t size) {
    outbox.push(Message{1, std::string(size, 'x'), {}}, TaskId{7, task});
  }
  /// The time of one look passes.
  void look() {
    executor.after(10 * kMillisecond, [this] { executor.stop(); });
    executor.run();
  }

  ScriptedChannel channel;
  SimulatedExecutor executor;
  std::vector<std::optional<TaskId>> refused;
  Outbox outbox{channel, executor, [this](std::optional<TaskId> task) { refused.push_back(task); }};
};

TEST_F(OutboxTest, WhatFindsNoRoomWaitsUntilTheQueueIsEmpty) {
  channel.room = 100;
  for (std::uint32_t task = 1; task <= 5; ++task) push(task, 60);
  EXPECT_EQ(channel.queue.size(), 1U);
  outbox.on_limit();  // the channel tells of what we saw at once
  look();
  EXPECT_EQ(channel.queue.size(), 1U) << "nothing has left";
  std::size_t sent = 0;
  for (; !channel.queue.empty() && sent < 5; ++sent) {
    EXPECT_EQ(channel.queue.size(), 1U);
    channel.queue.clear();
    look();
  }
  EXPECT_EQ(sent, 5U);
  EXPECT_TRUE(refused.empty());
}

TEST_F(OutboxTest, MuchIsHeldBackThoughTheQueueWouldTakeIt) {
  for (std::uint32_t task = 1; task <= 5; ++task) push(task, 40 << 20);
  EXPECT_EQ(channel.queue.size(), 2U);
  EXPECT_EQ(channel.refusals, 0U);
  channel.queue.clear();
  look();
  EXPECT_EQ(channel.queue.size(), 2U);
}

TEST_F(OutboxTest, AMessageThatNeverFitsIsTold) {
  channel.largest = 100;
  push(1, 50);
  push(2, 200);
  push(3, 50);
  EXPECT_EQ(channel.queue.size(), 1U) << "the second may only lack room beside the first";
  outbox.on_limit();
  channel.queue.clear();
  look();
  EXPECT_EQ(refused, (std::vector<std::optional<TaskId>>{TaskId{7, 2}}));
  outbox.on_limit();
  EXPECT_EQ(refused.size(), 1U);
  EXPECT_EQ(channel.queue.size(), 1U) << "the third";
}

// The channel does not say which message the server refused; those that have left for certain are not meant.
TEST_F(OutboxTest, ALaterRefusalIsOfWhatHasNotLeft) {
  push(1, 50);
  channel.queue.clear();
  push(2, 50);
  push(3, 50);
  outbox.on_limit();
  EXPECT_EQ(refused, (std::vector<std::optional<TaskId>>{TaskId{7, 2}, TaskId{7, 3}}));
}

TEST_F(OutboxTest, WithoutAServerNothingWaitsAndNothingIsTold) {
  channel.room = 100;
  push(1, 60);
  push(2, 60);
  channel.connected = false;
  channel.queue.clear();
  look();
  channel.connected = true;
  look();
  EXPECT_TRUE(channel.queue.empty());
  EXPECT_TRUE(refused.empty());
}

}  // namespace
}  // namespace fedloom::testing
