// The client's side: says hello on every new connection and notices when the server is another one.
// The server's end is zmq_server.cpp; what both share is zmq_channel.hpp.
#include "transport/zmq_channel.hpp"

namespace fedloom {

namespace {

constexpr Tick kFirstPause = 50 * kMillisecond;
constexpr int kMostDoublings = 9;  // up to half a minute or so from one try to the next

class ZmqClient final : public ZmqChannel {
 public:
  ZmqClient(std::unique_ptr<Link> link, AsioExecutor& executor, const ChannelOptions& options)
      : ZmqChannel(std::move(link), executor, options) {}
  ~ZmqClient() override { no_more_knocks(); }

  void close() override {
    no_more_knocks();
    ZmqChannel::close();
  }

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
    // Whatever happens to a connection, the conversation was on one that is gone.
    if (Peer* server = find(kServerPeer)) server->lost = true;
    switch (event.kind) {
      case Link::Event::Kind::opened: break;  // at a server
      case Link::Event::Kind::bad_handshake: turned_away(Reason::malformed, event.text); break;
      case Link::Event::Kind::bad_key:
      case Link::Event::Kind::unknown_key: turned_away(Reason::key, event.text); break;
      case Link::Event::Kind::down:
        if (state_ == State::waiting) return turned_away(Reason::malformed, "hung up during the greeting");
        // Once what it sent is read, we knock: ZeroMQ would at once, or after some errors never.
        down_ = true;
        break;
      case Link::Event::Kind::up: state_ = State::hello_due; break;
    }
  }

  void on_drained() override {
    ZmqChannel::on_drained();
    if (std::exchange(down_, false)) {
      if (state_ == State::hello_due || state_ == State::greeting)
        turned_away(Reason::disconnected, "hung up before it answered");
      else
        knock_later();
    }
    say_hello();
  }
  void on_tick() override {
    if (state_ == State::greeting && executor_.now() - greeted_ > options_.heartbeat_timeout) knock_later();
    // Every attempt should have ended by now, and the socket has made another. That is its business, not
    // ours, and we need not rely on it.
    if (state_ == State::waiting && knock_timer_ == 0 &&
        executor_.now() - knocked_ > options_.heartbeat_timeout) {
      unwatch_link();
      link_->leave();
      knock();
    }
    say_hello();
    if (Peer* server = find(kServerPeer)) {
      if (executor_.now() - joined_ > options_.heartbeat_timeout) knocks_ = 0;  // it was no flash in the pan
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
      if (std::exchange(told_, text) != text) refused(kServerPeer, reason, std::move(text));
      return;
    }
    stats_.received.control_bytes += packet.bytes;
    if (state_ != State::greeting) return;
    if (kind == FrameKind::welcome) {
      state_ = State::joined;
      joined_ = executor_.now();
      told_.clear();
      add_peer(kServerPeer, packet, theirs);
    } else if (kind == FrameKind::refuse && notice.reason != Reason::disconnected) {
      state_ = State::dismissed;
      knock_later();
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
      state_ = State::greeting;
      remove(peer, Reason::disconnected, Farewell::silent);
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
    knock_later();
  }

  void begin_again(Peer& peer) {
    state_ = State::hello_due;
    remove(peer, Reason::disconnected, Farewell::silent);
    say_hello();
  }

  // Whoever was sent away for another reason than the end of the run may be wanted again later: after a
  // restart, when the server has room, or when its key is on the list.
  void on_removed(const Peer& /*peer*/, Reason reason, bool /*banned*/) override {
    if (state_ == State::joined) state_ = State::dismissed;
    if (state_ == State::dismissed && reason != Reason::none) knock_later();
  }

  // The connection never became a conversation. It is said once, and tried again less and less often.
  void turned_away(Reason reason, const std::string& why) {
    if (std::exchange(told_, why) != why)
      refused(kNoPeer, reason, fmt::format("{} {}", link_->endpoint(), why));
    knock_later();
  }

  void knock_later() {
    if (knock_timer_ != 0) return;
    unwatch_link();
    link_->leave();
    state_ = State::waiting;
    down_ = false;
    forget_debts();
    // Spread over time, so that a fleet does not come back at once.
    const double spread = 0.5 + static_cast<double>(options_.instance % 1024) / 1024.0;
    const Tick pause = kFirstPause << std::min(knocks_++, kMostDoublings);
    knock_timer_ = executor_.after(static_cast<Tick>(spread * static_cast<double>(pause)), [this] {
      knock_timer_ = 0;
      knock();
    });
  }
  void knock() {
    knocked_ = executor_.now();
    try {
      link_->reconnect();
    } catch (const UserError& error) {
      return turned_away(Reason::disconnected, error.what());
    }
    watch_link();
  }
  void no_more_knocks() {
    executor_.cancel(knock_timer_);
    knock_timer_ = 0;
  }

  State state_ = State::waiting;
  Tick knocked_ = executor_.now();  // when the socket began to look for a connection
  Tick greeted_ = 0;                // when hello went out
  bool down_ = false;               // the connection is, and what it sent is being read
  Tick joined_ = 0;
  std::string told_;         // what the user was told of connections that failed
  TimerId knock_timer_ = 0;  // not 0: no connection until then
  int knocks_ = 0;           // since the last conversation that lasted
};

}  // namespace

std::unique_ptr<Channel> make_zmq_client(const Endpoint& endpoint, AsioExecutor& executor,
                                         const ChannelOptions& options) {
  return make_client_over(
      std::make_unique<ZmqLink>(ZmqLink::Role::client, endpoint, options.linger, options.security.get()),
      executor, options);
}

std::unique_ptr<Channel> make_client_over(std::unique_ptr<Link> link, AsioExecutor& executor,
                                          const ChannelOptions& options) {
  return std::make_unique<ZmqClient>(std::move(link), executor, options);
}

}  // namespace fedloom
