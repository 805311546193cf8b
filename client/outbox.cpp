// Whether the channel took a message is read from its counters, and when it left from the bytes that wait.
#include "client/outbox.hpp"

#include <utility>

namespace fedloom {

namespace {

// Enough that a fast connection has work until the next look, and far below what a queue may hold.
constexpr std::uint64_t kEnoughBytes = 64U << 20U;
constexpr Tick kLook = 5 * kMillisecond;

// A channel over sockets counts what waits, one in process what it handed over.
bool took(const ChannelStats& before, const ChannelStats& after) {
  return after.queued_bytes > before.queued_bytes || after.sent.messages > before.sent.messages;
}

}  // namespace

Outbox::Outbox(Channel& channel, Executor& executor, Refused refused)
    : channel_(channel), executor_(executor), refused_(std::move(refused)) {}

Outbox::~Outbox() { executor_.cancel(timer_); }

void Outbox::push(Message message, std::optional<TaskId> task) {
  waiting_.push_back({std::move(message), task});
  drain();
}

void Outbox::clear() {
  waiting_.clear();
  on_the_way_.clear();
  until_empty_ = false;
}

void Outbox::drain() {
  while (!waiting_.empty()) {
    if (channel_.peers().empty()) return clear();
    const ChannelStats before = channel_.stats();
    if (before.queued_bytes == 0) {
      on_the_way_.clear();
      until_empty_ = false;
    }
    if (until_empty_ || before.queued_bytes >= kEnoughBytes) return drain_later();
    channel_.send(kServerPeer, waiting_.front().message);
    if (!took(before, channel_.stats())) {
      ++noticed_;
      if (before.queued_bytes > 0) {  // no room beside the others; alone one always fits
        until_empty_ = true;
        return drain_later();
      }
      const std::optional<TaskId> task = waiting_.front().task;
      waiting_.pop_front();
      refused_(task);
      continue;
    }
    on_the_way_.push_back(waiting_.front().task);
    waiting_.pop_front();
  }
}

void Outbox::drain_later() {
  if (timer_ != 0) return;
  timer_ = executor_.after(kLook, [this] {
    timer_ = 0;
    drain();
  });
}

void Outbox::on_limit() {
  if (noticed_ > 0) {
    --noticed_;
    return;
  }
  // The server had no memory for one of those that have not left; it does not say which. An answer to a task
  // that is settled already is refused there and counted, so too many are told rather than none.
  for (const std::optional<TaskId>& task : std::exchange(on_the_way_, {})) refused_(task);
}

}  // namespace fedloom
