// The socket of one channel as the channel sees it: frames in, frames out, connections up and down. One
// implementation speaks to libzmq (zmq_link.hpp); tests and the fuzzer have one that says what they like.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "transport/outbound.hpp"

namespace fedloom {

/// Belongs to one thread. Its descriptors are edge-triggered: after every wake-up and after every call that
/// sends or receives, is_readable() must be asked again until it says no.
class Link {
 public:
  virtual ~Link() = default;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

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
  virtual bool receive(Packet& packet) = 0;

  enum class Sent { yes, full, gone };
  /// Hands a frame to the socket; large second parts are not copied but kept alive. full: later again.
  /// gone: there is no such connection.
  virtual Sent send(const std::string& route, const OutFrame& frame) = 0;

  struct Event {
    enum class Kind {
      opened,  // somebody connected to a server; nothing has been said
      up,
      down,
      bad_handshake,
      bad_key,     // the two sides do not fit: keys on one of them, or another key than expected
      unknown_key  // not on the list; the door has told of it
    } kind = Kind::up;
    int descriptor = -1;
    std::string endpoint = {};
    std::string text = {};  // what was wrong
    std::string host =
        {};  // opened: who answers for the other end (an address, of IPv6 its network); "" unknown
    std::uint64_t cookie = 0;  // opened: the system's mark of this socket; 0 unknown
    std::string name = {};     // opened: the other end for people, "10.0.0.7:51022"; "" unknown
  };
  /// The next change of a connection; false when there is none. What is wrong with a handshake comes just
  /// before the `down` of its connection.
  virtual bool next_event(Event& event) = 0;

  /// Of a server: ends a connection, if its socket still is the one of that mark.
  virtual void hang_up(int /*descriptor*/, std::uint64_t /*cookie*/) {}

  /// Of a client: leaves the connection there is, with whatever waits in it, and makes none until
  /// reconnect(). The descriptors are closed; nothing is received and nobody is there to send to.
  virtual void leave() = 0;
  /// Of a client: begins anew, with new descriptors. Throws UserError when that cannot be.
  virtual void reconnect() = 0;

  /// Lets the socket do its housekeeping and says whether a packet waits.
  virtual bool is_readable() = 0;
  virtual int descriptor() const = 0;
  virtual int event_descriptor() const = 0;
  /// Where a server with keys is asked who may come in, -1 for others; answer_door() when it is readable.
  virtual int door_descriptor() const { return -1; }
  virtual void answer_door() {}
  virtual bool next_refusal(std::string& /*text*/) { return false; }
  /// With the port that the system chose.
  virtual const std::string& endpoint() const = 0;

  /// ZeroMQ's own bytes so far: part headers by direction, and greetings (the same both ways).
  virtual std::uint64_t framing_sent() const { return 0; }
  virtual std::uint64_t framing_received() const { return 0; }
  virtual std::uint64_t handshakes() const { return 0; }
  /// Bytes of one greeting, ours and theirs.
  virtual std::uint64_t handshake_sent() const { return 0; }
  virtual std::uint64_t handshake_received() const { return 0; }

 protected:
  Link() = default;
};

}  // namespace fedloom
