// How a ZeroMQ channel keeps to its rates: messages wait for the uplink, and the credits that let the other
// side send wait for the downlink. Control frames wait for nothing.
#include "transport/zmq_channel.hpp"

namespace fedloom {

/// True when the peer's messages must wait. They are looked at again as soon as the uplink is free.
bool ZmqChannel::throttles(Peer& peer) {
  const Tick wait = uplink_.wait(executor_.now());
  if (wait == 0 || closing_ || peer.out->control_frames() > 0) return false;
  throttled_.insert(peer.id);
  if (uplink_timer_ != 0) return true;
  uplink_timer_ = executor_.after(wait, [this] {
    uplink_timer_ = 0;
    for (const PeerId id : std::exchange(throttled_, {}))
      if (Peer* waiting = find(id)) make_ready(*waiting);
    pump();
  });
  return true;
}

void ZmqChannel::answer(Peer& peer, OutFrame frame, std::uint64_t permitted) {
  answers_.push_back({peer.id, std::move(frame), permitted});
  release_answers();
}

void ZmqChannel::release_answers() {
  const Tick now = executor_.now();
  while (!answers_.empty() && downlink_.wait(now) == 0) {
    Answer answer = std::move(answers_.front());
    answers_.pop_front();
    Peer* peer = find(answer.peer);
    if (peer == nullptr) continue;
    downlink_.charge(answer.permitted, now);
    peer->progress = now;
    queue_control(*peer, std::move(answer.frame));
  }
  if (answers_.empty() || downlink_timer_ != 0) return;
  downlink_timer_ = executor_.after(downlink_.wait(now), [this] {
    downlink_timer_ = 0;
    release_answers();
  });
}

}  // namespace fedloom
