// What server and client channels over ZeroMQ share: the pump between socket and conversations, frames of
// known peers, heartbeats, counting. The two roles add how a conversation begins.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "transport/asio_executor.hpp"
#include "transport/inbound.hpp"
#include "transport/outbound.hpp"
#include "transport/rate_limit.hpp"
#include "transport/receive_memory.hpp"
#include "transport/zmq_link.hpp"

namespace fedloom {

/// The socket is touched by the pump alone, which runs from the executor: calls to the channel only queue.
class ZmqChannel : public Channel {
 public:
  ~ZmqChannel() override;

  void set_handlers(ChannelHandlers handlers) override { handlers_ = std::move(handlers); }
  void send(PeerId peer, Message message) override;
  void disconnect(PeerId peer, Reason reason) override;
  void close() override;
  void keep(const Blob& blob) override { memory_->keep(blob); }
  ChannelStats stats() const override;
  std::vector<PeerId> peers() const override;
  std::string endpoint() const override { return endpoint_; }
  std::string key_of(PeerId peer) const override;

 protected:
  /// One conversation.
  struct Peer {
    PeerId id = kNoPeer;
    std::string route;
    int descriptor = -1;
    std::uint64_t instance = 0;
    std::string key;  // with which it was let in
    std::unique_ptr<Outbound> out;
    std::unique_ptr<Inbound> in;
    std::optional<OutFrame> stalled;  // made, and not yet taken by the socket
    Tick heard = 0;                   // when its last frame came
    Tick progress = 0;                // when it last sent what it owes, or was last let in
    Tick owed_since = 0;              // when it began to owe us what it is sending
    std::uint64_t ended = 0;          // of its large messages, when we last looked
    std::uint32_t bad_frames = 0;
    std::uint64_t control_frames = 0;  // since the last tick
    bool ready = false;                // waits for its turn in the flush
    bool lost = false;                 // its connection is down; what it sent before is still being read
  };

  ZmqChannel(std::unique_ptr<Link> link, AsioExecutor& executor, const ChannelOptions& options);

  // The roles' part.
  /// A packet that belongs to no peer.
  virtual void on_stranger(const Link::Packet& packet, const ParsedFrame& parsed) = 0;
  /// A hello, welcome or refuse from a peer.
  virtual void on_greeting(Peer& peer, const Link::Packet& packet, const ParsedFrame& parsed) = 0;
  virtual void on_heartbeat(Peer& peer, const Frame& frame, std::uint64_t instance) = 0;
  virtual void on_link_event(const Link::Event& event) = 0;
  /// Nothing waits in the socket: what happened to connections before may now take effect.
  virtual void on_drained();
  virtual void on_tick() {}
  /// So long nobody looked at the socket: it is not the others' silence.
  virtual void on_pause(Tick /*pause*/) {}
  /// A peer was silent, or owed us bytes, for too long.
  virtual void on_expired(Peer& peer, Reason reason) = 0;
  /// The peer is gone from the books; `banned` when it broke the rules too often.
  virtual void on_removed(const Peer& peer, Reason reason, bool banned) = 0;

  Peer& add_peer(PeerId id, const Link::Packet& packet, const Greeting& greeting);
  enum class Farewell { silent, goodbye };
  void remove(Peer& peer, Reason reason, Farewell farewell, bool banned = false);
  Peer* find(PeerId id);
  Peer* find_route(const std::string& route);
  void queue_control(Peer& peer, OutFrame frame);
  /// Sends a frame to a connection at once; false when the socket does not take it.
  bool send_loose(const std::string& route, const OutFrame& frame);
  void bad_frame(Peer& peer, Reason reason, std::string text, std::uint64_t bytes);
  void refused(PeerId peer, Reason reason, std::string text);
  void read_link_events();
  void schedule_pump();
  /// For what waits for room in the socket: a short while later at the latest.
  void pump_later();
  /// The link's descriptors are looked at, or, while it has none, not.
  void watch_link();
  void unwatch_link();
  /// Credits that were given and not used are not held against the next conversation.
  void forget_debts() { downlink_.forgive(); }
  Greeting greeting() const;
  OutFrame notice_frame(FrameKind kind, Reason reason, const std::string& text) const;

  AsioExecutor& executor_;
  ChannelOptions options_;
  std::unique_ptr<Link> link_;
  ChannelStats stats_;
  std::map<PeerId, std::unique_ptr<Peer>> peers_;

 private:
  bool pump();
  bool turn();
  void handle(const Link::Packet& packet);
  void on_frame(Peer& peer, const Link::Packet& packet, const ParsedFrame& parsed);
  void on_payload(Peer& peer, const Frame& frame, std::uint64_t bytes);
  Reason on_control(Peer& peer, const Frame& frame, std::string& text);
  void deliver_events();
  void make_ready(Peer& peer);
  bool flush();
  bool send_next(Peer& peer);
  void count_sent(const OutFrame& frame);
  bool throttles(Peer& peer);
  void answer(Peer& peer, OutFrame frame, std::uint64_t permitted);
  void release_answers();
  /// A credit or a rejection that waits for the downlink.
  struct Answer {
    PeerId peer;
    OutFrame frame;
    std::uint64_t permitted;  // bytes that it lets the peer send
  };
  void count_link(ChannelStats& stats) const;
  void tick();
  void forgive(Tick pause);
  void expire();
  void expire_slow_holders();
  void answer_door();
  void drop_revoked();

  std::string endpoint_;
  ChannelHandlers handlers_;
  std::shared_ptr<ReceiveMemory> memory_;
  std::unordered_map<std::string, PeerId> routes_;
  std::deque<std::function<void()>> events_;  // for the handlers, from calls that must not call them
  std::deque<PeerId> ready_;
  std::vector<PeerId> blocked_;  // the socket was full for them
  RateLimit uplink_;
  RateLimit downlink_;
  std::set<PeerId> throttled_;  // wait for the uplink
  std::deque<Answer> answers_;
  TimerId uplink_timer_ = 0;
  TimerId downlink_timer_ = 0;
  Link::Packet packet_;
  Tick last_tick_ = 0;
  TimerId tick_timer_ = 0;
  TimerId backstop_timer_ = 0;
  bool pump_scheduled_ = false;
  bool pumping_ = false;
  bool anyone_lost_ = false;  // found out by sending
  bool link_changed_ = true;  // the monitor may have something to say
  bool closing_ = false;
  bool closed_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // posted tasks hold it weakly
  std::unique_ptr<AsioExecutor::Watch> socket_watch_;
  std::unique_ptr<AsioExecutor::Watch> event_watch_;
  std::unique_ptr<AsioExecutor::Watch> door_watch_;
};

/// Opens the two roles; see make_server_channel() and make_client_channel().
std::unique_ptr<Channel> make_zmq_server(const Endpoint& endpoint, AsioExecutor& executor,
                                         const ChannelOptions& options);
std::unique_ptr<Channel> make_zmq_client(const Endpoint& endpoint, AsioExecutor& executor,
                                         const ChannelOptions& options);
/// The ends over any link.
std::unique_ptr<Channel> make_client_over(std::unique_ptr<Link> link, AsioExecutor& executor,
                                          const ChannelOptions& options);
std::unique_ptr<Channel> make_server_over(std::unique_ptr<Link> link, AsioExecutor& executor,
                                          const ChannelOptions& options);

}  // namespace fedloom
