// The frame: 32 bytes of header, then a body. Pure functions from bytes to values and back; everything is
// checked against caps before anything is allocated, and nothing here throws. Magic, version and kind keep
// their places in every protocol version, so that two versions can tell each other apart.
//
//   offset  0  magic     u32   "FDLM", little-endian like everything here
//           4  version   u16
//           6  kind      u8
//           7  flags     u8
//           8  stream    u32   number of a large message among those of its direction, from 1
//          12  size      u32   bytes of the body
//          16  offset    u64   chunk: where its bytes begin; grant: up to where bytes may be sent
//          24  checksum  u64   XXH3 of the body, seeded with the XXH3 of the 24 bytes before
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "transport/channel.hpp"

namespace fedloom {

/// What comes from outside is compared with it.
inline constexpr Reason kLastReason = Reason::key;

inline constexpr std::uint32_t kFrameMagic = 0x4d4c4446;
inline constexpr std::uint16_t kProtocolVersion = 3;
inline constexpr std::size_t kFrameHeaderBytes = 32;
inline constexpr std::uint32_t kMaxChunkBytes = 1U << 20U;
/// The longest body: a table of 65,536 blobs and a head that travels with it, or a chunk.
inline constexpr std::uint32_t kMaxBodyBytes = kMaxChunkBytes + (64U << 10U);

enum class FrameKind : std::uint8_t {
  hello = 1,      // client: who I am, what I accept (Greeting)
  welcome = 2,    // server: the same, in answer
  refuse = 3,     // to a stranger: why it is not talked to (Notice)
  goodbye = 4,    // the conversation ends (Notice)
  heartbeat = 5,  // the sender's instance; with kWantsAnswer it is answered by another
  message = 6,    // a whole small message: table, head, blobs
  announce = 7,   // a large message wants to come: table, and the head when it is small
  grant = 8,      // the receiver has room for a stream up to `offset`
  chunk = 9,      // bytes of a stream from `offset`
  reject = 10,    // the receiver will not take a stream (Notice)
};

inline constexpr std::uint8_t kWantsAnswer = 1;  // heartbeat
inline constexpr std::uint8_t kHeadFollows = 1;  // announce: the head is the beginning of the stream

/// A frame without its bytes; `body` belongs to whoever holds the bytes.
struct Frame {
  FrameKind kind = FrameKind::heartbeat;
  std::uint8_t flags = 0;
  std::uint32_t stream = 0;
  std::uint64_t offset = 0;
  std::span<const std::byte> body = {};
};

/// What came of parsing: reason none and a frame, or the reason (malformed, version, limit) and a sentence.
struct ParsedFrame {
  Reason reason = Reason::none;
  std::string text;
  Frame frame;
};

/// Writes the header of `frame` whose body is `frame.body` (at most kMaxBodyBytes, checked).
std::array<std::byte, kFrameHeaderBytes> encode_header(const Frame& frame);
/// A frame that lies in one run of bytes, or whose body is a second run (then `first` is the header alone).
ParsedFrame parse_frame(std::span<const std::byte> first, std::span<const std::byte> second = {});

/// What one side tells of itself: its incarnation, and the caps that the other side must keep to.
struct Greeting {
  std::uint64_t instance = 0;
  std::uint64_t max_message_bytes = 0;
  std::uint32_t max_head_bytes = 0;
  std::uint32_t max_blobs = 0;
};

/// A reason with a sentence for people: printable, at most 1,024 bytes.
struct Notice {
  Reason reason = Reason::none;
  std::string text;
};

/// The sizes of a message.
struct MessageShape {
  std::uint16_t type = 0;
  std::uint32_t head = 0;
  std::vector<std::uint64_t> blobs;

  std::uint64_t table_bytes() const { return kTableBytes + blobs.size() * sizeof(std::uint64_t); }
  static constexpr std::size_t kTableBytes = 12;  // type, two zero bytes, head, number of blobs
};

std::vector<std::byte> encode(const Greeting& greeting);
std::vector<std::byte> encode(const Notice& notice);
std::vector<std::byte> encode_instance(std::uint64_t instance);
/// Appends the table of sizes.
void append(std::vector<std::byte>& out, const MessageShape& shape);

/// Each returns none or the reason; `text` then says what was wrong.
Reason parse(std::span<const std::byte> body, Greeting& greeting, std::string& text);
Reason parse(std::span<const std::byte> body, Notice& notice, std::string& text);
Reason parse_instance(std::span<const std::byte> body, std::uint64_t& instance, std::string& text);
/// Reads the table at the beginning of `body` and holds it against the caps; `rest` is what follows it.
Reason parse(std::span<const std::byte> body, const Greeting& caps, MessageShape& shape,
             std::span<const std::byte>& rest, std::string& text);

/// Whether a message of these sizes is one frame.
bool is_inline(std::uint64_t head, std::span<const std::uint64_t> blobs, std::uint32_t inline_bytes);
/// Whether the head of an announced message travels in the announcement.
inline constexpr std::uint64_t kAnnouncedHeadBytes = 32U << 10U;

/// The size of the chunk that begins `offset` bytes into piece `piece` of a stream of pieces of these sizes
/// (`offset` < its size). Long pieces are cut so that each chunk lies in one piece and is sent without
/// copying; short neighbours are joined. Both wire_size() and the sender cut by this rule.
std::uint64_t chunk_size(std::span<const std::uint64_t> pieces, std::size_t piece, std::uint64_t offset,
                         std::uint32_t chunk_bytes);

/// wire_size() of a message known by its sizes alone; with the default options unless told otherwise.
std::uint64_t wire_size(std::uint64_t head, std::span<const std::uint64_t> blobs,
                        const ChannelOptions& options = {});

}  // namespace fedloom
