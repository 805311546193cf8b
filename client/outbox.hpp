// What a peer has to say to its server, in order, a little at a time: the channel is given the next message
// once those before have left, so that asking for many updates at once overruns no queue. It knows messages
// and whose they are, nothing of what is in them.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>

#include "core/ids.hpp"
#include "transport/channel.hpp"

namespace fedloom {

class Outbox {
 public:
  /// A message cannot be had by the server, now or ever; `task` is whose update it was, if it was one. May
  /// be told of an update that arrived when it is not known which of a few the server had no room for.
  using Refused = std::function<void(std::optional<TaskId> task)>;

  Outbox(Channel& channel, Executor& executor, Refused refused);
  ~Outbox();
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  void push(Message message, std::optional<TaskId> task = std::nullopt);
  /// The connection ended or began anew: what waits belongs to the conversation before.
  void clear();
  /// Nothing waits here; the channel may still have some.
  bool empty() const { return waiting_.empty(); }
  /// The channel said on_refused(limit).
  void on_limit();

 private:
  struct Entry {
    Message message;
    std::optional<TaskId> task;
  };

  void drain();
  void drain_later();

  Channel& channel_;
  Executor& executor_;
  Refused refused_;
  std::deque<Entry> waiting_;
  std::deque<std::optional<TaskId>> on_the_way_;  // since the channel's queue was last seen empty
  std::uint64_t noticed_ = 0;  // refusals that were seen at once, and that on_limit() will still tell of
  bool until_empty_ = false;   // the queue was full
  TimerId timer_ = 0;
};

}  // namespace fedloom
