// libzmq 4.3 through cppzmq. One context per channel, so that destroying the channel ends its threads and
// frees its port.
#include "transport/zmq_link.hpp"

#include <array>
#include <cstring>

#include <malloc.h>
#include <sys/socket.h>
#include <zmq.hpp>

#include "transport/other_end.hpp"
#include "transport/zmq_admission.hpp"

namespace fedloom {

namespace {

// Frames that may wait inside ZeroMQ per connection and side. Small: what waits longer waits with us, where
// it is counted and bounded.
constexpr int kHighWater = 64;
constexpr int kIpcBuffer = 1 << 20;
constexpr int kReconnectMs = 50;
constexpr int kReconnectMaxMs = 2000;
// Whoever connects and says nothing holds a connection this long.
constexpr int kHandshakeMs = 10'000;
constexpr std::size_t kCopyBelow = 1024;  // not worth a free function
// Connections whose other end is gone without a word are found out by the system within some two minutes.
constexpr int kKeepaliveIdle = 60;
constexpr int kKeepaliveInterval = 15;
constexpr int kKeepaliveCount = 4;
constexpr int kUnacknowledgedMs = 120'000;
constexpr int kWatched = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED |
                         ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                         ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;

// ZeroMQ takes fresh memory for every part it receives. Left alone, the allocator gives chunks of this size
// back to the system again and again, and the page faults of getting them anew cost more than the copying.
// A setting of the process; the thresholds are those that glibc grows to by itself at most.
void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
#endif
}

// A part that views `blob` and keeps it alive until ZeroMQ is done with it, on whatever thread that is.
zmq::message_t view_part(const Blob& blob) {
  if (blob.size() < kCopyBelow) return zmq::message_t(blob.data(), blob.size());
  auto owner = std::make_unique<Blob>(blob);
  void* data = const_cast<std::byte*>(blob.data());  // NOLINT: ZeroMQ only reads it
  zmq::message_t part(
      data, blob.size(), [](void*, void* hint) { delete static_cast<Blob*>(hint); }, owner.get());
  static_cast<void>(owner.release());
  return part;
}

// What the door wrote down when it let the connection in.
std::string key_of(zmq::message_t& part) {
  const char* key = zmq_msg_gets(part.handle(), "User-Id");
  return key == nullptr ? "" : key;
}

std::span<const std::byte> bytes_of(const zmq::message_t& part) {
  return {static_cast<const std::byte*>(part.data()), part.size()};
}

}  // namespace

struct ZmqLink::State {
  zmq::context_t context;
  zmq::socket_t socket;  // none while a client is away
  zmq::socket_t monitor;
  Role role;
  Endpoint where;
  Tick linger;
  const Security* security;
  std::string endpoint;
  std::array<zmq::message_t, 2> parts;
  zmq::message_t scratch;
  std::uint64_t framing_sent = 0;
  std::uint64_t framing_received = 0;
  std::uint64_t handshakes = 0;
  std::uint64_t sockets = 0;
  bool connected = false;  // of a client
  std::unique_ptr<ZmqAdmission> door;

  State(Role its_role, Endpoint its_endpoint, Tick its_linger, const Security* its_security)
      : context(1),
        role(its_role),
        where(std::move(its_endpoint)),
        linger(its_linger),
        security(its_security) {
    keep_freed_memory();
  }

  bool is_open() const { return static_cast<bool>(socket); }
  bool has_keys() const { return security != nullptr; }

  void open() {
    socket = zmq::socket_t(context, type(role));
    socket.set(zmq::sockopt::linger, static_cast<int>(linger / kMillisecond));
    socket.set(zmq::sockopt::sndhwm, kHighWater);
    socket.set(zmq::sockopt::rcvhwm, kHighWater);
    // A unix socket holds what its sender's buffer holds, and does not grow it: a larger one means fewer
    // switches between the two sides. tcp sizes its own as it goes.
    if (where.kind == Endpoint::Kind::ipc) socket.set(zmq::sockopt::sndbuf, kIpcBuffer);
    socket.set(zmq::sockopt::ipv6, where.address.starts_with('['));
    socket.set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(kMaxBodyBytes + kFrameHeaderBytes));
    socket.set(zmq::sockopt::handshake_ivl, kHandshakeMs);
    socket.set(zmq::sockopt::tcp_keepalive, 1);
    socket.set(zmq::sockopt::tcp_keepalive_idle, kKeepaliveIdle);
    socket.set(zmq::sockopt::tcp_keepalive_intvl, kKeepaliveInterval);
    socket.set(zmq::sockopt::tcp_keepalive_cnt, kKeepaliveCount);
    socket.set(zmq::sockopt::tcp_maxrt, kUnacknowledgedMs);
    if (role == Role::server) {
      socket.set(zmq::sockopt::router_mandatory, true);
      socket.set(zmq::sockopt::backlog, 4096);
    } else {
      socket.set(zmq::sockopt::reconnect_ivl, kReconnectMs);
      socket.set(zmq::sockopt::reconnect_ivl_max, kReconnectMaxMs);
    }
    if (security != nullptr) lock();
    const std::string name = fmt::format("inproc://monitor-{}", ++sockets);
    if (zmq_socket_monitor(socket.handle(), name.c_str(), kWatched) != 0) throw zmq::error_t();
    monitor = zmq::socket_t(context, zmq::socket_type::pair);
    monitor.set(zmq::sockopt::linger, 0);
    monitor.connect(name);
    join();
  }
  // With whatever waits in it. Nothing of its connection is heard again.
  void drop() {
    connected = false;
    if (!is_open()) return;
    socket.set(zmq::sockopt::linger, 0);
    monitor.close();
    socket.close();
  }

  void lock() {
    socket.set(zmq::sockopt::curve_secretkey, key_bytes(security->own.secret_key));
    socket.set(zmq::sockopt::curve_publickey, key_bytes(security->own.public_key));
    if (role == Role::client) {
      socket.set(zmq::sockopt::curve_serverkey, key_bytes(security->server_key));
      return;
    }
    socket.set(zmq::sockopt::curve_server, true);
    socket.set(zmq::sockopt::zap_domain, "fedloom");
    door = std::make_unique<ZmqAdmission>(context, security->admits);
  }

  // On the wire, with what CURVE adds inside.
  std::uint64_t part_bytes(std::uint64_t size) const {
    return has_keys() ? kCurvePartBytes + zmtp_part_bytes(size + kCurvePartBytes) : zmtp_part_bytes(size);
  }

  static zmq::socket_type type(Role role) {
    return role == Role::server ? zmq::socket_type::router : zmq::socket_type::dealer;
  }

  void join() {
    try {
      if (role == Role::server) {
        if (where.kind == Endpoint::Kind::ipc) refuse_taken_ipc_path(where);
        socket.bind(where.text);
        endpoint = socket.get(zmq::sockopt::last_endpoint);
      } else {
        socket.connect(where.text);
        endpoint = where.text;
      }
    } catch (const zmq::error_t& error) {
      throw user_error("endpoint \"{}\": cannot {}: {}", where.text,
                       role == Role::server ? "bind" : "connect", error.what());
    }
  }

  bool receive_part(zmq::message_t& part) { return socket.recv(part, zmq::recv_flags::dontwait).has_value(); }
};

ZmqLink::ZmqLink(Role role, const Endpoint& endpoint, Tick linger, const Security* security)
    : state_(std::make_unique<State>(role, endpoint, linger, security)) {
  state_->open();
}

ZmqLink::~ZmqLink() {
  Event event;
  while (next_event(event)) {
  }
  // Without a connection nothing can leave, so there is nothing to linger for.
  if (state_->role == Role::client && !state_->connected) state_->drop();
}

bool ZmqLink::receive(Packet& packet) {
  State& s = *state_;
  packet = {};
  if (!s.is_open()) return false;
  if (s.role == Role::server) {
    if (!s.receive_part(s.scratch)) return false;
    packet.route.assign(static_cast<const char*>(s.scratch.data()), s.scratch.size());
    if (!s.scratch.more()) return true;
  }
  bool more = true;
  while (more) {
    zmq::message_t& part = packet.parts < s.parts.size() ? s.parts[packet.parts] : s.scratch;
    if (!s.receive_part(part)) return false;  // only ever before the first part
    more = part.more();
    packet.bytes += part.size();
    s.framing_received += s.part_bytes(part.size());
    if (packet.parts == 0) {
      packet.descriptor = zmq_msg_get(part.handle(), ZMQ_SRCFD);
      if (s.door) packet.key = key_of(part);
    }
    ++packet.parts;
  }
  packet.first = bytes_of(s.parts[0]);
  if (packet.parts > 1) packet.second = bytes_of(s.parts[1]);
  return true;
}

ZmqLink::Sent ZmqLink::send(const std::string& route, const OutFrame& frame) {
  State& s = *state_;
  if (!s.is_open()) return Sent::gone;
  constexpr auto kNoWait = zmq::send_flags::dontwait;
  const bool two = !frame.second.empty();
  try {
    if (s.role == Role::server &&
        !s.socket.send(zmq::const_buffer(route.data(), route.size()), kNoWait | zmq::send_flags::sndmore))
      return Sent::full;
    const auto flags = two ? kNoWait | zmq::send_flags::sndmore : kNoWait;
    if (!s.socket.send(zmq::const_buffer(frame.first.data(), frame.first.size()), flags)) return Sent::full;
    if (two) s.socket.send(view_part(frame.second), kNoWait);
  } catch (const zmq::error_t& error) {
    FEDLOOM_CHECK(error.num() == EHOSTUNREACH, "zmq_send: {}", error.what());
    return Sent::gone;
  }
  s.framing_sent += s.part_bytes(frame.first.size());
  if (two) s.framing_sent += s.part_bytes(frame.second.size());
  return Sent::yes;
}

bool ZmqLink::next_event(Event& event) {
  State& s = *state_;
  zmq::message_t what;
  zmq::message_t where;
  std::uint16_t number = 0;
  std::int32_t value = 0;
  if (!s.is_open() || !s.monitor.recv(what, zmq::recv_flags::dontwait)) return false;
  FEDLOOM_CHECK(what.size() == 6 && what.more(), "a monitor event of {} bytes", what.size());
  static_cast<void>(s.monitor.recv(where, zmq::recv_flags::none));  // parts arrive together
  std::memcpy(&number, what.data(), sizeof number);
  std::memcpy(&value, static_cast<const char*>(what.data()) + sizeof number, sizeof value);
  event.descriptor = value;
  event.endpoint = where.to_string();
  event.kind = Event::Kind::bad_handshake;
  event.text = "does not speak ZMTP, or hung up during the greeting";
  if (number == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) {
    event.kind = Event::Kind::unknown_key;
    event.text = "does not know our key";
  }
  if (number == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL) {
    if (value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH) {
      event.kind = Event::Kind::bad_key;
      event.text = s.has_keys() ? "has no keys, and we have" : "wants keys, and we have none";
    } else if (value == ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC) {
      event.kind = Event::Kind::bad_key;
      event.text = "has another key than it should";
    }
  }
  if (number == ZMQ_EVENT_ACCEPTED) {
    event.kind = Event::Kind::opened;
    const OtherEnd other = other_end_of(value);
    event.host = other.host;
    event.name = other.name;
    event.cookie = other.cookie;
  }
  if (number == ZMQ_EVENT_DISCONNECTED) {
    event.kind = Event::Kind::down;
    s.connected = false;
  }
  if (number == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
    event.kind = Event::Kind::up;
    ++s.handshakes;
    s.connected = true;
  }
  return true;
}

// The other side is told, and so is libzmq, which then closes the descriptor that is its own.
void ZmqLink::hang_up(int descriptor, std::uint64_t cookie) {
  if (cookie != 0 && other_end_of(descriptor).cookie == cookie) ::shutdown(descriptor, SHUT_RDWR);
}

void ZmqLink::leave() { state_->drop(); }

// A new socket: of the old one's connection, which may still be on its way, nothing is to come.
void ZmqLink::reconnect() {
  state_->drop();
  state_->open();
}

bool ZmqLink::is_readable() {
  return state_->is_open() && (state_->socket.get(zmq::sockopt::events) & ZMQ_POLLIN) != 0;
}
int ZmqLink::descriptor() const { return state_->socket.get(zmq::sockopt::fd); }
int ZmqLink::event_descriptor() const { return state_->monitor.get(zmq::sockopt::fd); }
const std::string& ZmqLink::endpoint() const { return state_->endpoint; }
std::uint64_t ZmqLink::framing_sent() const { return state_->framing_sent; }
std::uint64_t ZmqLink::framing_received() const { return state_->framing_received; }
std::uint64_t ZmqLink::handshakes() const { return state_->handshakes; }
std::uint64_t ZmqLink::handshake_sent() const {
  if (!state_->has_keys()) return kZmtpHandshakeBytes;
  return state_->role == Role::client ? kCurveClientHandshakeBytes : kCurveServerHandshakeBytes;
}
std::uint64_t ZmqLink::handshake_received() const {
  if (!state_->has_keys()) return kZmtpHandshakeBytes;
  return state_->role == Role::client ? kCurveServerHandshakeBytes : kCurveClientHandshakeBytes;
}

int ZmqLink::door_descriptor() const { return state_->door ? state_->door->descriptor() : -1; }
void ZmqLink::answer_door() {
  if (state_->door) state_->door->answer();
}
bool ZmqLink::next_refusal(std::string& text) { return state_->door && state_->door->next_refusal(text); }

}  // namespace fedloom
