// The client's side: says hello on every new connection and notices when the server is another one.
// The server's end is zmq_server.cpp; what both share is zmq_channel.hpp.
#include "transport/zmq_channel.hpp"

namespace fedloom {

namespace {

class ZmqClient final : public ZmqChannel {
 public:
  ZmqClient(std::unique_ptr<Link> link, AsioExecutor& executor, const ChannelOptions& options)
      : ZmqChannel(std::move(link), executor, options) {}

 private:
  // While there is no peer: what we do about it.
  enum class State {
    waiting,    // for a connection
    hello_due,  // connected; hello not yet taken by the socket
    greeting,   // hello is out
    joined,
    dismissed,  // the conversation ended; only a new connection begins another
  };

  void on_link_event(const Link::Event& event) override {
    Peer* server = find(kServerPeer);
    switch (event.kind) {
      case Link::Event::Kind::bad_handshake:
        knock_again_ = true;
        refused(kNoPeer, Reason::malformed, fmt::format("{} {}", event.endpoint, event.text));
        break;
      case Link::Event::Kind::bad_key:
        knock_again_ = true;
        refused(kNoPeer, Reason::key, fmt::format("{} {}", event.endpoint, event.text));
        break;
      case Link::Event::Kind::down:
        if (server != nullptr) server->lost = true;
        state_ = State::waiting;
        break;
      case Link::Event::Kind::up:
        if (server != nullptr) server->lost = true;
        state_ = State::hello_due;
        break;
    }
  }

  void on_drained() override {
    ZmqChannel::on_drained();
    say_hello();
  }
  void on_tick() override {
    if (state_ == State::greeting && executor_.now() - greeted_ > options_.heartbeat_timeout) reconnect();
    knock();
    say_hello();
    if (Peer* server = find(kServerPeer)) {
      const Frame frame{.kind = FrameKind::heartbeat, .flags = kWantsAnswer};
      queue_control(*server, make_frame(frame, encode_instance(options_.instance)));
    }
  }

  void say_hello() {
    if (state_ != State::hello_due || find(kServerPeer) != nullptr) return;
    if (send_loose({}, make_frame({.kind = FrameKind::hello}, encode(greeting())))) {
      state_ = State::greeting;
      greeted_ = executor_.now();
    } else {
      pump_later();
    }
  }

  void on_stranger(const Link::Packet& packet, const ParsedFrame& parsed) override {
    std::string text = parsed.text;
    Reason reason = parsed.reason;
    Greeting theirs;
    Notice notice;
    const FrameKind kind = parsed.frame.kind;
    if (reason == Reason::none && kind == FrameKind::welcome) reason = parse(parsed.frame.body, theirs, text);
    if (reason == Reason::none && kind == FrameKind::refuse) reason = parse(parsed.frame.body, notice, text);
    if (reason != Reason::none) {
      stats_.received.refused_bytes += packet.bytes;
      refused(kServerPeer, reason, std::move(text));
      return;
    }
    stats_.received.control_bytes += packet.bytes;
    if (state_ != State::greeting) return;
    if (kind == FrameKind::welcome) {
      state_ = State::joined;
      add_peer(kServerPeer, packet, theirs);
    } else if (kind == FrameKind::refuse && notice.reason != Reason::disconnected) {
      state_ = State::dismissed;
      refused(kServerPeer, notice.reason, "the server refused us: " + notice.text);
    }
    // Anything else belongs to the conversation before, whose end the server had not heard of.
  }

  void on_greeting(Peer& peer, const Link::Packet& packet, const ParsedFrame& parsed) override {
    Notice notice;
    std::string text = "a server sent what only clients send";
    Reason reason = Reason::malformed;
    if (parsed.frame.kind == FrameKind::refuse) reason = parse(parsed.frame.body, notice, text);
    if (parsed.frame.kind == FrameKind::welcome) {
      // A hello that was left over from the connection before was answered too: the later answer counts.
      remove(peer, Reason::disconnected, Farewell::silent);
      state_ = State::greeting;
      on_stranger(packet, parsed);
    } else if (reason != Reason::none) {
      bad_frame(peer, reason, text, packet.bytes);
    } else {
      stats_.received.control_bytes += packet.bytes;
      begin_again(peer);  // it does not know us any more
    }
  }

  void on_heartbeat(Peer& peer, const Frame& /*frame*/, std::uint64_t instance) override {
    if (instance != peer.instance) begin_again(peer);
  }

  // A connection on which nothing comes may be dead without a word, as when a router has forgotten it.
  void on_expired(Peer& peer, Reason reason) override {
    remove(peer, reason, Farewell::silent);
    reconnect();
  }
  void reconnect() {
    state_ = State::waiting;
    link_->reconnect();
  }

  void begin_again(Peer& peer) {
    remove(peer, Reason::disconnected, Farewell::silent);
    state_ = State::hello_due;
    say_hello();
  }

  void on_removed(const Peer& /*peer*/, Reason reason, bool banned) override {
    if (state_ == State::joined) state_ = State::dismissed;
    if (reason == Reason::key || banned) knock_again_ = true;
  }

  // ZeroMQ gives up on a server that turned us away, and we may be on its list later.
  void knock() {
    if (find(kServerPeer) != nullptr || !std::exchange(knock_again_, false)) return;
    reconnect();
  }

  State state_ = State::waiting;
  Tick greeted_ = 0;          // when hello went out
  bool knock_again_ = false;  // at the next tick
};

}  // namespace

std::unique_ptr<Channel> make_zmq_client(const Endpoint& endpoint, AsioExecutor& executor,
                                         const ChannelOptions& options) {
  return std::make_unique<ZmqClient>(
      std::make_unique<ZmqLink>(ZmqLink::Role::client, endpoint, options.linger, options.security.get()),
      executor, options);
}

}  // namespace fedloom
