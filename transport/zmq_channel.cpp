// The pump: socket to conversations to handlers, and back. Frames of one peer are handled in order; peers
// take turns frame by frame when sending.
#include "transport/zmq_channel.hpp"

#include <algorithm>

namespace fedloom {

namespace {

constexpr int kBatch = 64;  // packets before timers and others get their turn
// Credits for the data of seconds; more is asked for by somebody who means harm.
constexpr std::size_t kMostControl = 4096;
constexpr Tick kBackstop = 5 * kMillisecond;  // a ROUTER does not say which peer has room again

}  // namespace

ZmqChannel::ZmqChannel(std::unique_ptr<Link> link, AsioExecutor& executor, const ChannelOptions& options)
    : executor_(executor),
      options_(options),
      link_(std::move(link)),
      endpoint_(link_->endpoint()),
      uplink_(options.send_rate),
      downlink_(options.receive_rate) {
  const std::weak_ptr<bool> alive = alive_;
  memory_ = std::make_shared<ReceiveMemory>(options.receive_budget_bytes, [this, alive, &executor] {
    executor.post([this, alive] {
      if (alive.expired()) return;
      memory_->admit();
      pump();
    });
  });
  watch_link();
  if (const int door = link_->door_descriptor(); door >= 0) {
    door_watch_ = executor.watch(door, [this] { answer_door(); });
    executor.post([this, alive] {
      if (!alive.expired()) answer_door();  // whoever knocked before the watch began
    });
  }
  last_tick_ = executor.now();
  tick_timer_ = executor.after(options.heartbeat_interval, [this] { tick(); });
  schedule_pump();
}

void ZmqChannel::watch_link() {
  socket_watch_ = executor_.watch(link_->descriptor(), [this] { pump(); });
  event_watch_ = executor_.watch(link_->event_descriptor(), [this] {
    link_changed_ = true;
    pump();
  });
  link_changed_ = true;
  schedule_pump();
}

void ZmqChannel::unwatch_link() {
  socket_watch_.reset();
  event_watch_.reset();
}

ZmqChannel::~ZmqChannel() { ZmqChannel::close(); }

void ZmqChannel::send(PeerId id, Message message) {
  if (closed_) return;
  Peer* peer = find(id);
  std::string text = fmt::format("a message for peer {}, who is not there", id);
  const Reason reason = peer == nullptr ? Reason::disconnected : peer->out->push(std::move(message), text);
  if (reason != Reason::none) {
    refused(id, reason, std::move(text));
  } else {
    make_ready(*peer);
  }
  schedule_pump();
}

void ZmqChannel::disconnect(PeerId id, Reason reason) {
  if (Peer* peer = closed_ ? nullptr : find(id)) remove(*peer, reason, Farewell::goodbye);
}

void ZmqChannel::close() {
  if (closed_) return;
  closing_ = true;  // last words wait for no rate
  for (const PeerId id : std::exchange(throttled_, {}))
    if (Peer* peer = find(id)) make_ready(*peer);
  flush();  // what the socket takes at once still leaves
  closed_ = true;
  const OutFrame goodbye = notice_frame(FrameKind::goodbye, Reason::none, "closed");
  for (const auto& [id, peer] : peers_) send_loose(peer->route, goodbye);
  peers_.clear();
  memory_->close();
  executor_.cancel(tick_timer_);
  executor_.cancel(backstop_timer_);
  executor_.cancel(uplink_timer_);
  executor_.cancel(downlink_timer_);
  socket_watch_.reset();
  event_watch_.reset();
  door_watch_.reset();
  alive_.reset();
  count_link(stats_);
  link_.reset();
}

ChannelStats ZmqChannel::stats() const {
  ChannelStats stats = stats_;
  if (link_) {
    count_link(stats);
  }
  for (const auto& [id, peer] : peers_) stats.queued_bytes += peer->out->bytes();
  stats.receive_bytes = memory_->used();
  stats.peak_receive_bytes = memory_->peak();
  return stats;
}

void ZmqChannel::count_link(ChannelStats& stats) const {
  stats.sent.zmtp_bytes = link_->framing_sent();
  stats.received.zmtp_bytes = link_->framing_received();
  stats.sent.handshake_bytes = link_->handshakes() * link_->handshake_sent();
  stats.received.handshake_bytes = link_->handshakes() * link_->handshake_received();
}

std::vector<PeerId> ZmqChannel::peers() const {
  std::vector<PeerId> ids;
  for (const auto& [id, peer] : peers_) ids.push_back(id);
  return ids;
}

// ---- the pump ------------------------------------------------------------------------------------------

void ZmqChannel::schedule_pump() {
  // A pump at work looks at everything once more before it ends.
  if (pumping_ || std::exchange(pump_scheduled_, true)) return;
  executor_.post([this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    pump_scheduled_ = false;
    pump();
  });
}

/// True when nothing waited in the socket any more.
bool ZmqChannel::pump() {
  if (pumping_) return false;
  pumping_ = true;
  const bool drained = turn();
  pumping_ = false;
  if (closed_) return true;
  if (!drained || !ready_.empty() || !events_.empty()) schedule_pump();
  if (!blocked_.empty()) pump_later();
  return drained;
}

/// One turn of the pump. Each call into ZeroMQ that asks for its commands is a system call, so they are few:
/// the last receive that finds nothing has asked, and only sending afterwards makes it necessary again.
bool ZmqChannel::turn() {
  for (const PeerId id : std::exchange(blocked_, {}))
    if (Peer* peer = find(id)) make_ready(*peer);
  deliver_events();
  if (closed_) return true;
  if (std::exchange(link_changed_, false)) read_link_events();
  flush();
  for (int i = 0; i < kBatch; ++i) {
    if (link_->receive(packet_)) {
      handle(packet_);
      deliver_events();
      if (closed_) return true;
      flush();
      continue;
    }
    on_drained();
    deliver_events();
    if (closed_) return true;
    const bool more = flush() && link_->is_readable();
    if (!more && !anyone_lost_) return true;
  }
  return false;
}

void ZmqChannel::read_link_events() {
  Link::Event event;
  while (link_->next_event(event)) on_link_event(event);
}

void ZmqChannel::deliver_events() {
  while (!closed_ && !events_.empty()) {
    const std::function<void()> event = std::move(events_.front());
    events_.pop_front();
    event();
  }
}

void ZmqChannel::on_drained() {
  anyone_lost_ = false;
  std::vector<PeerId> lost;
  for (const auto& [id, peer] : peers_)
    if (peer->lost) lost.push_back(id);
  for (const PeerId id : lost) remove(*find(id), Reason::disconnected, Farewell::silent);
}

void ZmqChannel::pump_later() {
  if (backstop_timer_ != 0) return;
  backstop_timer_ = executor_.after(kBackstop, [this] {
    backstop_timer_ = 0;
    pump();
  });
}

// ---- frames in -----------------------------------------------------------------------------------------

void ZmqChannel::handle(const Link::Packet& packet) {
  ParsedFrame parsed = parse_frame(packet.first, packet.second);
  if (packet.parts > 2)
    parsed = {Reason::malformed, fmt::format("a frame in {} parts; it has one or two", packet.parts), {}};
  Peer* peer = find_route(packet.route);
  if (peer != nullptr && peer->out->control_frames() > kMostControl) {
    refused(
        peer->id, Reason::limit,
        fmt::format("{} answers wait for a peer that asks on and takes none", peer->out->control_frames()));
    remove(*peer, Reason::limit, Farewell::goodbye, true);
    peer = nullptr;
  }
  if (peer == nullptr) {
    on_stranger(packet, parsed);
  } else {
    peer->heard = executor_.now();
    on_frame(*peer, packet, parsed);
  }
}

void ZmqChannel::on_frame(Peer& peer, const Link::Packet& packet, const ParsedFrame& parsed) {
  if (parsed.reason != Reason::none) {
    bad_frame(peer, parsed.reason, parsed.text, packet.bytes);
    return;
  }
  switch (parsed.frame.kind) {
    case FrameKind::message:
    case FrameKind::announce:
    case FrameKind::chunk: on_payload(peer, parsed.frame, packet.bytes); return;
    case FrameKind::hello:
    case FrameKind::welcome:
    case FrameKind::refuse: on_greeting(peer, packet, parsed); return;
    default: break;
  }
  std::string text;
  Reason reason = Reason::limit;
  if (++peer.control_frames > options_.max_control_frames)
    text = fmt::format("more than {} control frames between two heartbeats", options_.max_control_frames);
  else
    reason = on_control(peer, parsed.frame, text);
  if (reason != Reason::none) {
    bad_frame(peer, reason, std::move(text), packet.bytes);
  } else {
    stats_.received.control_bytes += packet.bytes;
  }
}

void ZmqChannel::on_payload(Peer& peer, const Frame& frame, std::uint64_t bytes) {
  Inbound::Outcome outcome = peer.in->on_frame(frame);
  if (outcome.reason != Reason::none) {
    bad_frame(peer, outcome.reason, std::move(outcome.text), bytes);
    return;
  }
  peer.progress = peer.heard;
  if (frame.kind != FrameKind::chunk)
    downlink_.charge(bytes, executor_.now());  // chunks are paid for by their credit
  stats_.received.payload_bytes += outcome.payload;
  stats_.received.header_bytes += bytes - outcome.payload;
  if (!outcome.message) return;
  ++stats_.received.messages;
  handlers_.on_message(peer.id, std::move(*outcome.message));
}

/// Grants, rejections, heartbeats, goodbyes. May remove the peer when the outcome is none.
Reason ZmqChannel::on_control(Peer& peer, const Frame& frame, std::string& text) {
  if (frame.kind == FrameKind::heartbeat) {
    std::uint64_t instance = 0;
    const Reason reason = parse_instance(frame.body, instance, text);
    if (reason == Reason::none) on_heartbeat(peer, frame, instance);
    return reason;
  }
  if (frame.kind == FrameKind::grant) {
    const Reason reason = peer.out->on_grant(frame.stream, frame.offset, text);
    if (reason == Reason::none) make_ready(peer);
    return reason;
  }
  Notice notice;
  Reason reason = parse(frame.body, notice, text);
  if (reason != Reason::none) return reason;
  if (frame.kind == FrameKind::goodbye) {
    remove(peer, notice.reason, Farewell::silent);
    return Reason::none;
  }
  bool dropped = false;
  reason = peer.out->on_reject(frame.stream, dropped, text);
  if (reason == Reason::none && dropped)
    refused(peer.id, notice.reason, "the peer refused a message: " + notice.text);
  if (reason == Reason::none) make_ready(peer);
  return reason;
}

void ZmqChannel::bad_frame(Peer& peer, Reason reason, std::string text, std::uint64_t bytes) {
  stats_.received.refused_bytes += bytes;
  refused(peer.id, reason, std::move(text));
  if (++peer.bad_frames >= options_.max_bad_frames) remove(peer, reason, Farewell::goodbye, true);
}

void ZmqChannel::refused(PeerId peer, Reason reason, std::string text) {
  ++stats_.refused[static_cast<std::size_t>(reason)];
  events_.push_back(
      [this, peer, reason, text = std::move(text)] { handlers_.on_refused(peer, reason, text); });
}

// ---- frames out ----------------------------------------------------------------------------------------

void ZmqChannel::make_ready(Peer& peer) {
  if (!std::exchange(peer.ready, true)) ready_.push_back(peer.id);
}

void ZmqChannel::queue_control(Peer& peer, OutFrame frame) {
  peer.out->push_control(std::move(frame));
  make_ready(peer);
  schedule_pump();
}

/// True when anything was sent.
bool ZmqChannel::flush() {
  bool sent = false;
  while (!ready_.empty()) {
    Peer* peer = find(ready_.front());
    ready_.pop_front();
    if (peer == nullptr) continue;
    peer->ready = false;
    if (!send_next(*peer)) continue;
    sent = true;
    make_ready(*peer);
  }
  return sent;
}

/// True when a frame was sent and another may follow.
bool ZmqChannel::send_next(Peer& peer) {
  if (!peer.stalled) {
    if (throttles(peer)) return false;
    OutFrame frame;
    if (!peer.out->next(frame)) return false;
    peer.stalled = std::move(frame);
  }
  switch (link_->send(peer.route, *peer.stalled)) {
    case Link::Sent::full: blocked_.push_back(peer.id); return false;
    case Link::Sent::gone: peer.lost = anyone_lost_ = true; return false;
    case Link::Sent::yes: break;
  }
  count_sent(*peer.stalled);
  peer.stalled.reset();
  return true;
}

bool ZmqChannel::send_loose(const std::string& route, const OutFrame& frame) {
  if (link_->send(route, frame) != Link::Sent::yes) return false;
  count_sent(frame);
  return true;
}

void ZmqChannel::count_sent(const OutFrame& frame) {
  if (frame.control) {
    stats_.sent.control_bytes += frame.size();
    return;
  }
  uplink_.charge(frame.size(), executor_.now());
  stats_.sent.payload_bytes += frame.payload;
  stats_.sent.header_bytes += frame.size() - frame.payload;
  if (frame.completes) ++stats_.sent.messages;
}

}  // namespace fedloom
