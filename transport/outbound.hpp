// What waits for one peer, and which frame goes next. Knows the credits of the peer, no socket and no clock.
// The receiving half is inbound.hpp; sockets are elsewhere.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "transport/frame.hpp"

namespace fedloom {

/// A frame ready to be sent: `first` is the header with a short body, or the header alone before `second`.
struct OutFrame {
  std::vector<std::byte> first;
  Blob second;
  bool control = true;
  bool completes = false;     // the last frame of a message
  std::uint64_t payload = 0;  // bytes of head and blobs in it

  std::uint64_t size() const { return first.size() + second.size(); }
};

/// Header and body in one run.
OutFrame make_frame(Frame frame, std::span<const std::byte> body);

/// The messages of one direction of one conversation. They leave in order; announcements run ahead of the
/// message at hand so that its successors find their credits waiting.
class Outbound {
 public:
  Outbound(const ChannelOptions& options, const Greeting& caps) : options_(options), caps_(caps) {}

  /// Takes a message, or says why not (limit) and leaves it.
  Reason push(Message&& message, std::string& text);
  /// Control frames overtake messages.
  void push_control(OutFrame frame) { control_.push_back(std::move(frame)); }
  /// Makes the next frame; false when there is none or credits are missing.
  bool next(OutFrame& frame);

  /// The peer's words. A stream that never was is malformed; one that is through already is ignored.
  Reason on_grant(std::uint32_t stream, std::uint64_t up_to, std::string& text);
  /// Drops the message; `dropped` says whether there was one.
  Reason on_reject(std::uint32_t stream, bool& dropped, std::string& text);

  std::size_t control_frames() const { return control_.size(); }
  std::uint64_t messages() const { return entries_.size(); }
  std::uint64_t bytes() const { return bytes_; }

 private:
  struct Entry {
    Message message;
    std::uint64_t payload = 0;
    std::uint32_t stream = 0;  // 0: goes in one frame
    bool granted = false;
    std::uint64_t allowed = 0;          // bytes of the stream the peer has room for
    std::uint64_t sent = 0;             // bytes of the stream sent
    std::vector<std::uint64_t> pieces;  // sizes: the head when it follows, then the blobs
    std::size_t piece = 0;              // where the next chunk begins
    std::uint64_t offset = 0;

    bool head_follows() const { return pieces.size() > message.blobs.size(); }
  };

  Entry* find(std::uint32_t stream);
  OutFrame inline_frame(const Entry& entry) const;
  OutFrame announcement(const Entry& entry) const;
  bool next_chunk(Entry& entry, OutFrame& frame) const;
  Blob cut(Entry& entry, std::uint64_t size) const;

  ChannelOptions options_;
  Greeting caps_;
  std::deque<OutFrame> control_;
  std::deque<Entry> entries_;
  std::uint64_t bytes_ = 0;
  std::uint32_t last_stream_ = 0;
  std::uint32_t last_announced_ = 0;
  std::size_t unannounced_ = 0;  // index of the first entry that may still need announcing
};

}  // namespace fedloom
