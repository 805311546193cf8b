// The ZeroMQ socket of one channel with its context and its monitor. The only file that speaks to libzmq.
// Counts what ZeroMQ itself adds to the wire.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "transport/channel.hpp"
#include "transport/endpoint.hpp"
#include "transport/link.hpp"

namespace fedloom {

class ZmqLink final : public Link {
 public:
  enum class Role { server, client };  // ROUTER, DEALER

  /// Binds or connects. Throws UserError when that cannot be. Without `security` anybody is let in.
  ZmqLink(Role role, const Endpoint& endpoint, Tick linger, const Security* security = nullptr);
  ~ZmqLink() override;

  bool receive(Packet& packet) override;
  Sent send(const std::string& route, const OutFrame& frame) override;
  bool next_event(Event& event) override;
  void hang_up(int descriptor, std::uint64_t cookie) override;
  void leave() override;
  void reconnect() override;
  bool is_readable() override;
  int descriptor() const override;
  int event_descriptor() const override;
  int door_descriptor() const override;
  void answer_door() override;
  bool next_refusal(std::string& text) override;
  const std::string& endpoint() const override;
  std::uint64_t framing_sent() const override;
  std::uint64_t framing_received() const override;
  std::uint64_t handshakes() const override;
  std::uint64_t handshake_sent() const override;
  std::uint64_t handshake_received() const override;

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
