// Large and small messages of one peer on their way in: checks every frame against what was announced and
// granted, fills lent memory, hands out whole messages. Knows no socket and no clock; fuzzed as it is.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "transport/frame.hpp"
#include "transport/outbound.hpp"
#include "transport/receive_memory.hpp"

namespace fedloom {

/// One direction of one conversation. Destroying it gives back what it holds and withdraws what it asked for.
class Inbound {
 public:
  /// A frame does one of three things: nothing visible yet, complete a message, or break the rules.
  struct Outcome {
    Reason reason = Reason::none;
    std::string text;
    std::optional<Message> message;
    std::uint64_t payload = 0;  // bytes of head and blobs in this frame
  };
  /// Takes credits and rejections for the peer; a credit lets it send `permitted` bytes more.
  using Reply = std::function<void(OutFrame, std::uint64_t permitted)>;
  /// Hears that a message was rejected for lack of memory on this side.
  using NoMemory = std::function<void(const std::string& text)>;

  /// What a peer may send ahead of our copying. At least two of the longest chunks, so that it never waits
  /// for a credit that we only give after the next chunk.
  static constexpr std::uint64_t kLeastWindow = 2ULL << 20U;
  static constexpr std::uint64_t kWindow = 4ULL << 20U;

  /// `caps` are what we told the peer.
  Inbound(
      const Greeting& caps, std::shared_ptr<ReceiveMemory> memory, Reply reply,
      NoMemory no_memory = [](const std::string&) {}, std::uint64_t window = kWindow);
  ~Inbound();
  Inbound(const Inbound&) = delete;
  Inbound& operator=(const Inbound&) = delete;

  /// For frames of kind message, announce and chunk (checked).
  Outcome on_frame(const Frame& frame);

  /// Whether the peer owes bytes: it was let in and has not sent all that it may.
  bool is_owed() const { return !streams_.empty() && streams_.front()->admitted; }
  /// Memory lent for messages that are not whole yet.
  std::uint64_t held() const;
  /// Large messages that came to an end, well or not.
  std::uint64_t ended() const { return ended_; }

 private:
  struct Stream {
    std::uint32_t number = 0;
    MessageShape shape;
    std::string head;
    bool head_follows = false;
    bool asked = false;  // for memory
    bool admitted = false;
    ReceiveMemory::Ticket ticket = 0;
    Blob memory;                 // the blobs, each at a multiple of 64
    std::uint64_t total = 0;     // bytes that come in chunks
    std::uint64_t received = 0;  // of them
    std::uint64_t granted = 0;
    std::size_t piece = 0;     // the blob (or the head) that is being filled
    std::uint64_t offset = 0;  // bytes of it that are there
    std::uint64_t place = 0;   // where it begins in `memory`

    // A head that follows is charged with the blobs; without blobs a token run of bytes carries the charge.
    std::uint64_t following_head() const { return head_follows ? shape.head : 0; }
    std::uint64_t lent() const;
    std::uint64_t charge() const { return lent() + following_head(); }
  };

  Outcome on_message(const Frame& frame);
  Outcome on_announce(const Frame& frame);
  Outcome on_chunk(const Frame& frame);
  void ask();
  void end_first();
  void admit(Stream& stream, Blob memory, const std::string& failure);
  void grant(Stream& stream);
  void reject(std::uint32_t stream, Reason reason, const std::string& text);
  static void fill(Stream& stream, std::span<const std::byte> bytes);
  static Message finish(Stream& stream);

  Greeting caps_;
  std::shared_ptr<ReceiveMemory> memory_;
  Reply reply_;
  NoMemory no_memory_;
  std::uint64_t window_;
  std::deque<std::unique_ptr<Stream>> streams_;  // announced, in order; only the first receives
  std::uint32_t last_stream_ = 0;
  std::uint64_t ended_ = 0;
};

}  // namespace fedloom
