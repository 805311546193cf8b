// The books of a ZeroMQ channel: who is a peer, how a conversation ends, and who has been silent too long.
// Sockets and frames are elsewhere.
#include "transport/zmq_channel.hpp"

namespace fedloom {

// ---- peers ---------------------------------------------------------------------------------------------

ZmqChannel::Peer* ZmqChannel::find(PeerId id) {
  const auto found = peers_.find(id);
  return found == peers_.end() ? nullptr : found->second.get();
}

ZmqChannel::Peer* ZmqChannel::find_route(const std::string& route) {
  const auto found = routes_.find(route);
  return found == routes_.end() ? nullptr : find(found->second);
}

ZmqChannel::Peer& ZmqChannel::add_peer(PeerId id, const Link::Packet& packet, const Greeting& theirs) {
  auto peer = std::make_unique<Peer>();
  peer->id = id;
  peer->route = packet.route;
  peer->descriptor = packet.descriptor;
  peer->instance = theirs.instance;
  peer->key = packet.key;
  peer->out = std::make_unique<Outbound>(options_, theirs);
  peer->in = std::make_unique<Inbound>(
      greeting(), memory_,
      [this, raw = peer.get()](OutFrame frame, std::uint64_t permitted) {
        answer(*raw, std::move(frame), permitted);
      },
      [this, id](const std::string& text) {
        ++stats_.refused[static_cast<std::size_t>(Reason::limit)];
        events_.push_back([this, id, text] { handlers_.on_no_memory(id, text); });
      },
      downlink_.is_set() ? Inbound::kLeastWindow : Inbound::kWindow);
  peer->heard = peer->progress = peer->owed_since = executor_.now();
  routes_[peer->route] = id;
  events_.push_back([this, id] { handlers_.on_peer(id, PeerChange::joined, Reason::none); });
  return *(peers_[id] = std::move(peer));
}

void ZmqChannel::remove(Peer& peer, Reason reason, Farewell farewell, bool banned) {
  if (farewell == Farewell::goodbye) {
    while (send_next(peer)) {  // what the socket takes at once still leaves
    }
    send_loose(peer.route, notice_frame(FrameKind::goodbye, reason, "the other side ended the conversation"));
  }
  stats_.dropped_messages += peer.out->messages() + (peer.stalled && peer.stalled->completes ? 1 : 0);
  routes_.erase(peer.route);
  std::erase_if(answers_, [&peer](const Answer& answer) { return answer.peer == peer.id; });
  const std::unique_ptr<Peer> gone = std::move(peers_.extract(peer.id).mapped());
  on_removed(*gone, reason, banned);
  gone->in.reset();
  memory_->admit();  // what it held is free for those who wait
  events_.push_back([this, id = gone->id, reason] { handlers_.on_peer(id, PeerChange::left, reason); });
  schedule_pump();
}

std::string ZmqChannel::key_of(PeerId peer) const {
  const auto found = peers_.find(peer);
  return found == peers_.end() ? "" : found->second->key;
}

void ZmqChannel::answer_door() {
  link_->answer_door();
  std::string text;
  while (link_->next_refusal(text)) refused(kNoPeer, Reason::key, std::move(text));
  schedule_pump();
}

// Whoever was let in and is not on the list any more.
void ZmqChannel::drop_revoked() {
  if (!options_.security || !options_.security->admits) return;
  std::vector<Peer*> revoked;
  for (const auto& [id, peer] : peers_)
    if (!options_.security->admits(peer->key)) revoked.push_back(peer.get());
  for (Peer* peer : revoked) {
    refused(peer->id, Reason::key,
            fmt::format("the key {} is not on the list of clients any more", peer->key));
    remove(*peer, Reason::key, Farewell::goodbye, true);
  }
}

Greeting ZmqChannel::greeting() const {
  return {options_.instance, options_.max_message_bytes, options_.max_head_bytes, options_.max_blobs};
}

OutFrame ZmqChannel::notice_frame(FrameKind kind, Reason reason, const std::string& text) const {
  return make_frame({.kind = kind}, encode(Notice{reason, text}));
}

// ---- liveness ------------------------------------------------------------------------------------------

void ZmqChannel::tick() {
  const Tick now = executor_.now();
  // Time in which this thread was busy elsewhere is not the peers' silence.
  if (const Tick pause = now - last_tick_ - options_.heartbeat_interval; pause > options_.heartbeat_interval)
    forgive(pause);
  last_tick_ = now;
  tick_timer_ = executor_.after(options_.heartbeat_interval, [this] { tick(); });
  for (const auto& [id, peer] : peers_) peer->control_frames = 0;
  const bool drained = pump();
  if (closed_) return;
  if (drained) expire();
  drop_revoked();
  on_tick();
  schedule_pump();
}

void ZmqChannel::forgive(Tick pause) {
  for (const auto& [id, peer] : peers_) {
    peer->heard += pause;
    peer->progress += pause;
    peer->owed_since += pause;
  }
  on_pause(pause);
}

void ZmqChannel::expire() {
  const Tick now = executor_.now();
  std::vector<std::pair<Peer*, Reason>> expired;
  for (const auto& [id, peer] : peers_) {
    if (now - peer->heard > options_.heartbeat_timeout) {
      expired.emplace_back(peer.get(), Reason::disconnected);
    } else if (answers_.empty() && peer->in->is_owed() && now - peer->progress > options_.stall_timeout) {
      expired.emplace_back(peer.get(), Reason::late);
    }
  }
  for (const auto& [peer, reason] : expired) on_expired(*peer, reason);
  expire_slow_holders();
}

// However slow, a message may come as long as nobody waits for its memory; then it must come at the least
// rate. Whoever is dropped comes back and asks behind those who wait.
void ZmqChannel::expire_slow_holders() {
  const Tick now = executor_.now();
  std::vector<Peer*> slow;
  for (const auto& [id, peer] : peers_) {
    if (!peer->in->is_owed() || std::exchange(peer->ended, peer->in->ended()) != peer->in->ended())
      peer->owed_since = now;
    const double allowance =
        static_cast<double>(peer->in->held()) / static_cast<double>(options_.least_rate) * kSecond;
    if (now - peer->owed_since > options_.stall_timeout + static_cast<Tick>(allowance))
      slow.push_back(peer.get());
  }
  for (Peer* peer : slow) {
    if (!memory_->is_short() || !answers_.empty()) return;
    refused(peer->id, Reason::late,
            fmt::format("a message of {} bytes has been coming for {} s while others wait for memory",
                        peer->in->held(), (now - peer->owed_since) / kSecond));
    on_expired(*peer, Reason::late);
  }
}

}  // namespace fedloom
