// The server's side: strangers say hello and become peers, or are told why not.
// The client's end is zmq_client.cpp; what both share is zmq_channel.hpp.
#include <algorithm>
#include <set>

#include "transport/connection_book.hpp"
#include "transport/zmq_channel.hpp"

namespace fedloom {

namespace {

constexpr std::size_t kMaxStrangers = 4096;
constexpr std::size_t kPeersOfAKey = 4;

class ZmqServer final : public ZmqChannel {
 public:
  ZmqServer(std::unique_ptr<Link> link, AsioExecutor& executor, const ChannelOptions& options)
      : ZmqChannel(std::move(link), executor, options), book_({.half_open = options.max_half_open}) {}

 private:
  // A connection that is no peer, as long as there is something to remember of it.
  struct Stranger {
    int descriptor = -1;
    std::uint32_t bad_frames = 0;
    bool told = false;    // that it must say hello first
    bool banned = false;  // its frames are no longer looked at
  };

  void on_stranger(const Link::Packet& packet, const ParsedFrame& parsed) override {
    // Whoever had this descriptor before is gone; its event was sent before this connection could begin.
    read_link_events();
    Stranger& stranger = remember(packet.route, packet.descriptor);
    if (stranger.banned) {
      stats_.received.refused_bytes += packet.bytes;
      ++stats_.refused[static_cast<std::size_t>(Reason::malformed)];
    } else if (parsed.reason != Reason::none) {
      bad_stranger(stranger, packet, parsed.reason, from(packet.descriptor) + parsed.text);
    } else if (parsed.frame.kind == FrameKind::hello) {
      greet(packet, parsed.frame);
    } else if (parsed.frame.kind == FrameKind::goodbye || parsed.frame.kind == FrameKind::heartbeat) {
      stats_.received.control_bytes += packet.bytes;
      if (parsed.frame.kind == FrameKind::heartbeat) tell(stranger, packet.route);
    } else {
      // Well formed, so it once was a peer and has not heard yet that it is none any more.
      stats_.received.refused_bytes += packet.bytes;
      refused(kNoPeer, Reason::disconnected,
              from(packet.descriptor) + "a frame from a connection that has not said hello");
      tell(stranger, packet.route);
    }
  }

  void bad_stranger(Stranger& stranger, const Link::Packet& packet, Reason reason, const std::string& text) {
    stats_.received.refused_bytes += packet.bytes;
    refused(kNoPeer, reason, text);
    // Another version can at least read ours in the header of the answer.
    if (reason == Reason::version) send_loose(packet.route, notice_frame(FrameKind::refuse, reason, text));
    if (++stranger.bad_frames < options_.max_bad_frames) return;
    stranger.banned = true;
    doomed_.push_back(book_.give_up(packet.descriptor, ""));
  }

  void tell(Stranger& stranger, const std::string& route) {
    if (std::exchange(stranger.told, true)) return;
    send_loose(route, notice_frame(FrameKind::refuse, Reason::disconnected, "say hello first"));
  }

  void greet(const Link::Packet& packet, const Frame& frame) {
    Greeting theirs;
    std::string text;
    const Reason reason = parse(frame.body, theirs, text);
    if (reason != Reason::none) {
      bad_stranger(remember(packet.route, packet.descriptor), packet, reason, from(packet.descriptor) + text);
      return;
    }
    stats_.received.control_bytes += packet.bytes;
    if (!book_.greeted(packet.descriptor, executor_.now())) {
      remember(packet.route, packet.descriptor).banned = true;
      return hang_up(book_.give_up(packet.descriptor, "says hello again and again"));
    }
    if (peers_.size() >= options_.max_peers) {
      text = fmt::format("the server has its {} peers already", options_.max_peers);
      refused(kNoPeer, Reason::limit, from(packet.descriptor) + text);
      send_loose(packet.route, notice_frame(FrameKind::refuse, Reason::limit, text));
      return;
    }
    // The same client on a new connection: its old one is dead, noticed or not.
    const auto before = instances_.find(theirs.instance);
    if (before != instances_.end()) remove(*find(before->second), Reason::disconnected, Farewell::silent);
    strangers_.erase(packet.route);
    Peer& peer = add_peer(++last_peer_, packet, theirs);
    instances_[theirs.instance] = peer.id;
    if (peer.descriptor >= 0) descriptors_[peer.descriptor] = peer.id;
    if (!peer.key.empty()) limit_key(by_key_[peer.key], peer);
    queue_control(peer, make_frame({.kind = FrameKind::welcome}, encode(greeting())));
  }

  // One client has one connection, and for a while the one before it. More take places from others.
  void limit_key(std::set<PeerId>& peers, const Peer& newest) {
    peers.insert(newest.id);
    if (peers.size() <= kPeersOfAKey) return;
    Peer& oldest = *find(*peers.begin());
    refused(oldest.id, Reason::duplicate,
            from(oldest.descriptor) +
                fmt::format("the key {} has {} newer connections", newest.key, kPeersOfAKey));
    remove(oldest, Reason::duplicate, Farewell::silent, true);
  }

  void on_greeting(Peer& peer, const Link::Packet& packet, const ParsedFrame& parsed) override {
    if (parsed.frame.kind != FrameKind::hello) {
      bad_frame(peer, Reason::malformed, "a client sent what only servers send", packet.bytes);
      return;
    }
    remove(peer, Reason::disconnected, Farewell::silent);  // it lost us and begins again
    on_stranger(packet, parsed);
  }

  void on_heartbeat(Peer& peer, const Frame& frame, std::uint64_t /*instance*/) override {
    if ((frame.flags & kWantsAnswer) != 0)
      queue_control(peer, make_frame({.kind = FrameKind::heartbeat}, encode_instance(options_.instance)));
  }

  void on_link_event(const Link::Event& event) override {
    switch (event.kind) {
      case Link::Event::Kind::opened:
        book_.opened(event.descriptor, event.host, event.name, event.cookie, executor_.now());
        break;
      case Link::Event::Kind::bad_handshake:
      case Link::Event::Kind::bad_key: failed_ = event; break;
      case Link::Event::Kind::down: on_down(event.descriptor); break;
      case Link::Event::Kind::unknown_key:  // the door has told of it
      case Link::Event::Kind::up: break;
    }
  }

  void on_down(int descriptor) {
    if (failed_ && !book_.was_given_up(descriptor)) {
      const bool key = failed_->kind == Link::Event::Kind::bad_key;
      refused(kNoPeer, key ? Reason::key : Reason::malformed,
              from(descriptor) + fmt::format("a connection to {} that {}", failed_->endpoint, failed_->text));
    }
    failed_.reset();
    book_.closed(descriptor);
    const auto found = descriptors_.find(descriptor);
    if (found != descriptors_.end()) {
      if (Peer* peer = find(found->second)) peer->lost = true;
      descriptors_.erase(found);
    }
    std::erase_if(strangers_, [&](const auto& entry) { return entry.second.descriptor == descriptor; });
  }

  // Everybody's hello has been read: whoever has none by now has said none.
  void on_drained() override {
    ZmqChannel::on_drained();
    for (const ConnectionBook::Overdue& overdue : book_.overdue(executor_.now())) hang_up(overdue);
  }
  void hang_up(const ConnectionBook::Overdue& overdue) {
    refused(kNoPeer, Reason::limit, from(overdue.descriptor) + overdue.why);
    link_->hang_up(overdue.descriptor, overdue.cookie);
  }
  // Whoever was banned has had the time to hear why.
  void on_tick() override {
    for (const ConnectionBook::Overdue& doomed : std::exchange(doomed_, {}))
      link_->hang_up(doomed.descriptor, doomed.cookie);
  }
  void on_pause(Tick pause) override { book_.forgive(pause); }

  /// For the beginning of a refusal: whom it is about.
  std::string from(int descriptor) const {
    const std::string name = book_.name_of(descriptor);
    return name.empty() ? "" : name + ": ";
  }

  // Not told: should it live after all, its next frame is answered with "say hello first", and it does.
  void on_expired(Peer& peer, Reason reason) override { remove(peer, reason, Farewell::silent); }

  void on_removed(const Peer& peer, Reason /*reason*/, bool banned) override {
    const auto is_this = [&peer](const auto& entry) { return entry.second == peer.id; };
    if (auto it = instances_.find(peer.instance); it != instances_.end() && is_this(*it))
      instances_.erase(it);
    if (auto it = descriptors_.find(peer.descriptor); it != descriptors_.end() && is_this(*it))
      descriptors_.erase(it);
    if (banned) {
      remember(peer.route, peer.descriptor).banned = true;
      doomed_.push_back(book_.give_up(peer.descriptor, ""));
    } else {
      book_.left(peer.descriptor, executor_.now());
    }
    if (const auto key = by_key_.find(peer.key); key != by_key_.end() && key->second.erase(peer.id) > 0)
      if (key->second.empty()) by_key_.erase(key);
  }

  Stranger& remember(const std::string& route, int descriptor) {
    if (strangers_.size() >= kMaxStrangers && !strangers_.contains(route))
      strangers_.erase(strangers_.begin());
    Stranger& stranger = strangers_[route];
    stranger.descriptor = descriptor;
    return stranger;
  }

  PeerId last_peer_ = 0;
  ConnectionBook book_;
  std::vector<ConnectionBook::Overdue> doomed_;
  std::optional<Link::Event> failed_;  // a handshake, whose connection is about to be down
  std::unordered_map<std::string, Stranger> strangers_;
  std::unordered_map<std::uint64_t, PeerId> instances_;
  std::unordered_map<int, PeerId> descriptors_;
  std::unordered_map<std::string, std::set<PeerId>> by_key_;  // ids ascend with time
};

}  // namespace

std::unique_ptr<Channel> make_zmq_server(const Endpoint& endpoint, AsioExecutor& executor,
                                         const ChannelOptions& options) {
  return make_server_over(
      std::make_unique<ZmqLink>(ZmqLink::Role::server, endpoint, options.linger, options.security.get()),
      executor, options);
}

std::unique_ptr<Channel> make_server_over(std::unique_ptr<Link> link, AsioExecutor& executor,
                                          const ChannelOptions& options) {
  return std::make_unique<ZmqServer>(std::move(link), executor, options);
}

}  // namespace fedloom
