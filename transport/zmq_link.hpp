// The ZeroMQ socket of one channel with its context and its monitor: frames in, frames out, connections up
// and down. The only file that speaks to libzmq. Counts what ZeroMQ itself adds to the wire.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "transport/channel.hpp"
#include "transport/endpoint.hpp"
#include "transport/outbound.hpp"

namespace fedloom {

/// Belongs to one thread. Its descriptors are edge-triggered: after every wake-up and after every call that
/// sends or receives, is_readable() must be asked again until it says no.
class ZmqLink {
 public:
  enum class Role { server, client };  // ROUTER, DEALER

  /// Binds or connects. Throws UserError when that cannot be. Without `security` anybody is let in.
  ZmqLink(Role role, const Endpoint& endpoint, Tick linger, const Security* security = nullptr);
  ~ZmqLink();
  ZmqLink(const ZmqLink&) = delete;
  ZmqLink& operator=(const ZmqLink&) = delete;

  /// One message of ZeroMQ, valid until the next receive(). A frame of ours has one or two parts.
  struct Packet {
    std::string route;    // which connection; empty at a client
    int descriptor = -1;  // of that connection, when known
    std::size_t parts = 0;
    std::span<const std::byte> first;
    std::span<const std::byte> second;
    std::uint64_t bytes = 0;  // of all parts
    std::string key;          // with which the connection was let in; "" where there are no keys
  };
  /// False when nothing waits.
  bool receive(Packet& packet);

  enum class Sent { yes, full, gone };
  /// Hands a frame to the socket; large second parts are not copied but kept alive. full: later again.
  /// gone: there is no such connection.
  Sent send(const std::string& route, const OutFrame& frame);

  struct Event {
    enum class Kind { up, down, bad_handshake, bad_key } kind = Kind::up;
    int descriptor = -1;
    std::string endpoint;
    std::string text;  // what was wrong
  };
  static constexpr const char* kUnknownKey = "does not know our key";
  /// The next change of a connection; false when there is none.
  bool next_event(Event& event);

  /// Of a client: begins anew, whatever became of the connection.
  void reconnect();

  /// Lets the socket do its housekeeping and says whether a packet waits.
  bool is_readable();
  int descriptor() const;
  int event_descriptor() const;
  /// Where a server with keys is asked who may come in, -1 for others; answer_door() when it is readable.
  int door_descriptor() const;
  void answer_door();
  bool next_refusal(std::string& text);
  /// With the port that the system chose.
  const std::string& endpoint() const;

  /// ZeroMQ's own bytes so far: part headers by direction, and greetings (the same both ways).
  std::uint64_t framing_sent() const;
  std::uint64_t framing_received() const;
  std::uint64_t handshakes() const;
  /// Bytes of one greeting, ours and theirs.
  std::uint64_t handshake_sent() const;
  std::uint64_t handshake_received() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// What CURVE adds to a part inside of it: "\7MESSAGE", a nonce of 8, the authenticator of 16 and a byte of
/// flags.
inline constexpr std::uint64_t kCurvePartBytes = 8 + 8 + 16 + 1;
/// What ZMTP 3.1 puts before a part of `size` bytes: a flag byte and one or eight bytes of length.
inline std::uint64_t zmtp_part_bytes(std::uint64_t size) { return size > 255 ? 9 : 2; }
/// What each side sends when a connection begins with the NULL mechanism: the greeting of 64 bytes and a
/// READY command of 43 (2 of framing, 6 of name, "Socket-Type" with DEALER or ROUTER, an empty "Identity").
inline constexpr std::uint64_t kZmtpMetadataBytes = (1 + 11 + 4 + 6) + (1 + 8 + 4);
inline constexpr std::uint64_t kZmtpHandshakeBytes = 64 + 2 + 6 + kZmtpMetadataBytes;
/// The same with CURVE (RFC 26): a client sends HELLO (200) and INITIATE (257 and its metadata), a server
/// WELCOME (168) and READY (30 and its metadata).
inline constexpr std::uint64_t kCurveClientHandshakeBytes = 64 + 2 + 200 + 9 + 257 + kZmtpMetadataBytes;
inline constexpr std::uint64_t kCurveServerHandshakeBytes = 64 + 2 + 168 + 2 + 30 + kZmtpMetadataBytes;

}  // namespace fedloom
