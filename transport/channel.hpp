// How the two sides of a federation talk: messages, not calls. One interface in process, over ipc and over
// tcp, and one conformance suite for all three. A channel knows peers and bytes, never clients or rounds.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "core/executor.hpp"
#include "transport/message.hpp"
#include "transport/security.hpp"

namespace fedloom {

/// Names a peer of one channel. The server is 0 to its clients; a server numbers its peers from 1 and never
/// uses a number twice, so a client that comes back is a new peer.
using PeerId = std::uint32_t;
inline constexpr PeerId kServerPeer = 0;
/// Somebody who never became a peer: a stranger whose frames were refused.
inline constexpr PeerId kNoPeer = 0xffffffff;

enum class PeerChange : std::uint8_t { joined, left };

class InprocHub;

/// Settings of one channel; both sides may differ. Times are nanoseconds.
struct ChannelOptions {
  /// Messages up to this size (head, blobs and their table) are one frame; [0, 1 MiB].
  std::uint32_t inline_bytes = 64U << 10U;
  /// Larger ones travel in chunks of this size under the receiver's credits; [256 KiB, 1 MiB].
  std::uint32_t chunk_bytes = 512U << 10U;
  /// Memory for chunked messages that are arriving or were delivered and not yet released. Senders wait in
  /// the order in which they asked. One message larger than this is let in when nothing else is held.
  std::uint64_t receive_budget_bytes = 128ULL << 20U;
  /// What may wait for one peer. A message that finds no room is refused (Reason::limit); one always fits.
  std::uint64_t max_queue_bytes = 1ULL << 30U;
  std::uint32_t max_queue_messages = 1U << 16U;
  /// Bytes per second of this end, on average, over all peers; 0: no limit. In bursts of a chunk when
  /// sending. What comes in is held back by its credits, 2 MiB of them at a time; frames up to the other
  /// side's inline_bytes need none and are only counted. Not in process.
  std::uint64_t send_rate = 0;
  std::uint64_t receive_rate = 0;
  /// Caps on one message, announced to the other side and checked before anything is allocated.
  std::uint64_t max_message_bytes = 8ULL << 30U;
  std::uint32_t max_head_bytes = 16U << 20U;
  std::uint32_t max_blobs = 1U << 12U;  // [1, 65536]
  std::uint32_t max_peers = 100'000;
  /// Connections to a server that have not said hello, or whose conversation is over, by tcp and ipc. Beyond
  /// them the oldest of the host that has the most is closed.
  std::uint32_t max_half_open = 4096;
  /// A peer is dropped at this many frames that do not parse or break the protocol, or are control frames
  /// beyond those that may come between two of our heartbeats (credits for 20 GB/s and a second take as
  /// many).
  std::uint32_t max_bad_frames = 3;
  std::uint32_t max_control_frames = 10'000;
  Tick heartbeat_interval = kSecond;
  /// A peer that is silent this long has left (Reason::disconnected).
  Tick heartbeat_timeout = 5 * kSecond;
  /// A peer that was let in with a large message and sends nothing of it this long is dropped (Reason::late).
  Tick stall_timeout = 30 * kSecond;
  /// Bytes per second that it must come at beyond that time, once others wait for the memory that it holds.
  std::uint64_t least_rate = 256'000;
  /// How long frames already handed to the socket may take to leave after close().
  Tick linger = kSecond;
  /// Tells this server or client apart from its next incarnation; 0 draws one.
  std::uint64_t instance = 0;
  /// Keys of ipc and tcp channels: both sides have them, or none. Without, anybody may connect and listen.
  std::shared_ptr<const Security> security;
  /// Where "inproc" endpoints meet; required for those, unused by others.
  std::shared_ptr<InprocHub> hub;
};

/// Bytes that went one way. The sum of all six byte counts is what the socket carried (in process: nothing
/// did, and payload and headers are what it would have cost).
struct Traffic {
  std::uint64_t messages = 0;
  std::uint64_t payload_bytes = 0;    // heads and blobs
  std::uint64_t header_bytes = 0;     // our frame headers and size tables of messages
  std::uint64_t control_bytes = 0;    // hello, goodbye, heartbeats, credits
  std::uint64_t refused_bytes = 0;    // frames that did not parse or came from strangers
  std::uint64_t zmtp_bytes = 0;       // ZeroMQ's own framing
  std::uint64_t handshake_bytes = 0;  // ZeroMQ's greetings

  /// Equals the sum of wire_size() over the messages, once they are all through.
  std::uint64_t wire_bytes() const { return payload_bytes + header_bytes; }
  std::uint64_t socket_bytes() const {
    return payload_bytes + header_bytes + control_bytes + refused_bytes + zmtp_bytes + handshake_bytes;
  }
};

struct ChannelStats {
  Traffic sent;
  Traffic received;
  /// Refusals by Reason: frames and messages that came in, and messages that found no room going out.
  std::array<std::uint64_t, 32> refused{};
  /// Messages accepted for a peer that left before they were through.
  std::uint64_t dropped_messages = 0;
  std::uint64_t queued_bytes = 0;   // waiting for peers now
  std::uint64_t receive_bytes = 0;  // held of the receive budget now
  std::uint64_t peak_receive_bytes = 0;

  std::uint64_t refusals(Reason reason) const { return refused[static_cast<std::size_t>(reason)]; }
};

/// Called on the executor's thread, never from inside a call to the channel. They may call the channel, but
/// not destroy it. None is called after close().
struct ChannelHandlers {
  std::function<void(PeerId, Message&&)> on_message = [](PeerId, Message&&) {};
  /// Left with Reason::none: it said goodbye; otherwise why it was lost or dropped.
  std::function<void(PeerId, PeerChange, Reason)> on_peer = [](PeerId, PeerChange, Reason) {};
  /// Something was refused. The text says what was found and what would be right.
  std::function<void(PeerId, Reason, const std::string&)> on_refused = [](PeerId, Reason,
                                                                          const std::string&) {};
  /// A message was rejected because this side has no memory for it.
  std::function<void(PeerId, const std::string&)> on_no_memory = [](PeerId, const std::string&) {};
};

/// One end. Messages to a peer arrive whole and in the order they were sent, or the peer is reported left.
/// Everything happens on the thread of its executor, which must outlive it.
class Channel {
 public:
  virtual ~Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// Set before the executor runs; what arrives earlier is lost on the default handlers.
  virtual void set_handlers(ChannelHandlers handlers) = 0;
  /// Never blocks. Blobs are shared, not copied, and must not change any more. A message that cannot be
  /// queued is dropped and on_refused hears: limit (no room, or above the peer's caps), disconnected (no
  /// such peer).
  virtual void send(PeerId peer, Message message) = 0;
  /// Tells the peer why and forgets it; on_peer(left, reason) follows. No such peer: nothing happens. The
  /// other side does not come back by itself on this connection, only after a reconnect.
  virtual void disconnect(PeerId peer, Reason reason = Reason::disconnected) = 0;
  /// Says goodbye to everyone and ends the channel. Messages not yet handed to the socket are dropped.
  virtual void close() = 0;
  /// Takes the memory of a blob that arrived out of the receive budget: for holders that keep it long. Any
  /// other blob is left alone.
  virtual void keep(const Blob& blob) = 0;
  virtual ChannelStats stats() const = 0;
  /// Peers that have joined and not left, ascending.
  virtual std::vector<PeerId> peers() const = 0;
  /// The public key with which this peer was let in; "" where there are no keys, or no such peer.
  virtual std::string key_of(PeerId peer) const = 0;
  /// Where others reach this server, with the port it was given; a client's is where it connects to.
  virtual std::string endpoint() const = 0;

 protected:
  Channel() = default;
};

/// Exactly the bytes `message` costs on the wire in our frames: headers, tables and payload with the announce
/// and chunk frames, without ZeroMQ's framing and without control frames. What Traffic::wire_bytes counts.
std::uint64_t wire_size(const Message& message, const ChannelOptions& options);

/// Opens a server at "inproc://NAME", "ipc:///PATH" or "tcp://HOST:PORT" (port 0 or *: a free one, see
/// endpoint()). ipc and tcp need an AsioExecutor. Throws UserError when the endpoint cannot be had.
std::unique_ptr<Channel> make_server_channel(const std::string& endpoint, Executor& executor,
                                             const ChannelOptions& options = {});
/// Connects to such a server, now or when it appears, and again whenever the connection is lost; each time
/// on_peer(0, joined) follows. Throws UserError when the endpoint makes no sense.
std::unique_ptr<Channel> make_client_channel(const std::string& endpoint, Executor& executor,
                                             const ChannelOptions& options = {});
/// Where in-process channels meet: make one, and give it to both sides in ChannelOptions::hub.
std::shared_ptr<InprocHub> make_inproc_hub();

}  // namespace fedloom
