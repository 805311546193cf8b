// Byte by byte, with every length held against what is there.
#include "transport/frame.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "transport/printable.hpp"

#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h>  // the widest vectors of the machine it runs on: three times the plain build
#else
#include <xxhash.h>
#endif

namespace fedloom {

namespace {

static_assert(std::endian::native == std::endian::little, "frames are written as they lie in memory");

constexpr std::size_t kGreetingBytes = 24;
constexpr std::size_t kMaxNoticeBytes = 1024;
// Pieces from this size on are worth a chunk of their own; shorter ones are cheaper copied together.
constexpr std::uint64_t kJoinBelow = 64U << 10U;

template <class T>
void put(std::byte* out, T value) {
  std::memcpy(out, &value, sizeof value);
}

template <class T>
void append_value(std::vector<std::byte>& out, T value) {
  out.resize(out.size() + sizeof value);
  put(out.data() + out.size() - sizeof value, value);
}

template <class T>
T take(std::span<const std::byte> bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

std::uint64_t checksum(std::span<const std::byte> header, std::span<const std::byte> body) {
  const std::uint64_t seed = XXH3_64bits(header.data(), 24);
  return XXH3_64bits_withSeed(body.data(), body.size(), seed);
}

ParsedFrame refused(Reason reason, std::string text) { return {reason, std::move(text), {}}; }

bool is_reason(std::uint8_t value) { return value <= static_cast<std::uint8_t>(kLastReason); }

}  // namespace

std::array<std::byte, kFrameHeaderBytes> encode_header(const Frame& frame) {
  FEDLOOM_CHECK(frame.body.size() <= kMaxBodyBytes, "a frame body of {} bytes", frame.body.size());
  std::array<std::byte, kFrameHeaderBytes> header{};
  put(header.data(), kFrameMagic);
  put(header.data() + 4, kProtocolVersion);
  put(header.data() + 6, frame.kind);
  put(header.data() + 7, frame.flags);
  put(header.data() + 8, frame.stream);
  put(header.data() + 12, static_cast<std::uint32_t>(frame.body.size()));
  put(header.data() + 16, frame.offset);
  put(header.data() + 24, checksum(header, frame.body));
  return header;
}

ParsedFrame parse_frame(std::span<const std::byte> first, std::span<const std::byte> second) {
  if (first.size() < 8) return refused(Reason::malformed, fmt::format("{} bytes are no frame", first.size()));
  if (const auto magic = take<std::uint32_t>(first, 0); magic != kFrameMagic)
    return refused(Reason::malformed,
                   fmt::format("a frame begins with {:#010x}, not with {:#010x}", magic, kFrameMagic));
  if (const auto version = take<std::uint16_t>(first, 4); version != kProtocolVersion) {
    return refused(Reason::version,
                   fmt::format("the peer speaks protocol version {}, this program version {}", version,
                               kProtocolVersion));
  }
  if (first.size() < kFrameHeaderBytes || (!second.empty() && first.size() != kFrameHeaderBytes))
    return refused(Reason::malformed, fmt::format("a frame header of {} bytes", first.size()));
  const auto kind = take<std::uint8_t>(first, 6);
  if (kind < static_cast<std::uint8_t>(FrameKind::hello) ||
      kind > static_cast<std::uint8_t>(FrameKind::reject))
    return refused(Reason::malformed, fmt::format("no frame is of kind {}", kind));
  const std::span<const std::byte> body = second.empty() ? first.subspan(kFrameHeaderBytes) : second;
  const auto size = take<std::uint32_t>(first, 12);
  if (size > kMaxBodyBytes)
    return refused(Reason::limit,
                   fmt::format("a frame claims {} bytes; at most {} are allowed", size, kMaxBodyBytes));
  if (size != body.size())
    return refused(Reason::malformed, fmt::format("a frame claims {} bytes and has {}", size, body.size()));
  if (take<std::uint64_t>(first, 24) != checksum(first, body))
    return refused(Reason::malformed, "the checksum of a frame does not match its bytes");
  return {Reason::none,
          {},
          {static_cast<FrameKind>(kind), take<std::uint8_t>(first, 7), take<std::uint32_t>(first, 8),
           take<std::uint64_t>(first, 16), body}};
}

std::vector<std::byte> encode(const Greeting& greeting) {
  std::vector<std::byte> out;
  append_value(out, greeting.instance);
  append_value(out, greeting.max_message_bytes);
  append_value(out, greeting.max_head_bytes);
  append_value(out, greeting.max_blobs);
  return out;
}

std::vector<std::byte> encode(const Notice& notice) {
  const std::size_t size = std::min(notice.text.size(), kMaxNoticeBytes);
  std::vector<std::byte> out(1 + size);
  put(out.data(), notice.reason);
  if (size > 0) std::memcpy(out.data() + 1, notice.text.data(), size);
  return out;
}

std::vector<std::byte> encode_instance(std::uint64_t instance) {
  std::vector<std::byte> out;
  append_value(out, instance);
  return out;
}

void append(std::vector<std::byte>& out, const MessageShape& shape) {
  append_value(out, shape.type);
  append_value(out, std::uint16_t{0});
  append_value(out, shape.head);
  append_value(out, static_cast<std::uint32_t>(shape.blobs.size()));
  const auto sizes = std::as_bytes(std::span(shape.blobs));
  out.insert(out.end(), sizes.begin(), sizes.end());
}

Reason parse(std::span<const std::byte> body, Greeting& greeting, std::string& text) {
  if (body.size() != kGreetingBytes) {
    text = fmt::format("a greeting of {} bytes; it has {}", body.size(), kGreetingBytes);
    return Reason::malformed;
  }
  greeting = {take<std::uint64_t>(body, 0), take<std::uint64_t>(body, 8), take<std::uint32_t>(body, 16),
              take<std::uint32_t>(body, 20)};
  return Reason::none;
}

Reason parse(std::span<const std::byte> body, Notice& notice, std::string& text) {
  if (body.empty() || body.size() > 1 + kMaxNoticeBytes || !is_reason(take<std::uint8_t>(body, 0))) {
    text = fmt::format("a notice of {} bytes without a known reason", body.size());
    return Reason::malformed;
  }
  notice.reason = static_cast<Reason>(take<std::uint8_t>(body, 0));
  notice.text = printable({reinterpret_cast<const char*>(body.data()) + 1, body.size() - 1}, kMaxNoticeBytes);
  return Reason::none;
}

Reason parse_instance(std::span<const std::byte> body, std::uint64_t& instance, std::string& text) {
  if (body.size() != sizeof instance) {
    text = fmt::format("a heartbeat of {} bytes; it has {}", body.size(), sizeof instance);
    return Reason::malformed;
  }
  instance = take<std::uint64_t>(body, 0);
  return Reason::none;
}

Reason parse(std::span<const std::byte> body, const Greeting& caps, MessageShape& shape,
             std::span<const std::byte>& rest, std::string& text) {
  if (body.size() < MessageShape::kTableBytes) {
    text = fmt::format("a table of sizes of {} bytes; it has at least {}", body.size(),
                       MessageShape::kTableBytes);
    return Reason::malformed;
  }
  shape.type = take<std::uint16_t>(body, 0);
  shape.head = take<std::uint32_t>(body, 4);
  const std::uint64_t count = take<std::uint32_t>(body, 8);
  if (count > caps.max_blobs || shape.head > caps.max_head_bytes) {
    text = fmt::format("a message with {} blobs and a head of {} bytes; at most {} and {} are allowed", count,
                       shape.head, caps.max_blobs, caps.max_head_bytes);
    return Reason::limit;
  }
  rest = body.subspan(MessageShape::kTableBytes);
  if (rest.size() < count * sizeof(std::uint64_t)) {
    text = fmt::format("a table of {} sizes in {} bytes", count, rest.size());
    return Reason::malformed;
  }
  shape.blobs.resize(count);
  if (count > 0) std::memcpy(shape.blobs.data(), rest.data(), count * sizeof(std::uint64_t));
  rest = rest.subspan(count * sizeof(std::uint64_t));
  std::uint64_t total = shape.head;
  for (const std::uint64_t blob : shape.blobs) {
    if (blob > caps.max_message_bytes || total > caps.max_message_bytes - blob) {
      text = fmt::format("a message above the {} bytes allowed", caps.max_message_bytes);
      return Reason::limit;
    }
    total += blob;
  }
  return Reason::none;
}

bool is_inline(std::uint64_t head, std::span<const std::uint64_t> blobs, std::uint32_t inline_bytes) {
  std::uint64_t left = inline_bytes;
  const auto fits = [&left](std::uint64_t size) { return size <= left && ((left -= size), true); };
  return fits(MessageShape::kTableBytes + blobs.size_bytes()) && fits(head) &&
         std::ranges::all_of(blobs, fits);
}

std::uint64_t chunk_size(std::span<const std::uint64_t> pieces, std::size_t piece, std::uint64_t offset,
                         std::uint32_t chunk_bytes) {
  std::uint64_t total = pieces[piece] - offset;
  if (total >= chunk_bytes) return chunk_bytes;
  if (total >= kJoinBelow) return total;
  for (std::size_t next = piece + 1; next < pieces.size(); ++next) {
    if (pieces[next] >= kJoinBelow || total + pieces[next] > chunk_bytes) break;
    total += pieces[next];
  }
  return total;
}

std::uint64_t wire_size(std::uint64_t head, std::span<const std::uint64_t> blobs,
                        const ChannelOptions& options) {
  std::uint64_t total = kFrameHeaderBytes + MessageShape::kTableBytes + blobs.size_bytes() + head;
  for (const std::uint64_t blob : blobs) total += blob;
  if (is_inline(head, blobs, options.inline_bytes)) return total;

  std::vector<std::uint64_t> pieces;
  if (head > kAnnouncedHeadBytes) pieces.push_back(head);
  pieces.insert(pieces.end(), blobs.begin(), blobs.end());
  std::uint64_t chunks = 0;
  std::size_t piece = 0;
  std::uint64_t offset = 0;
  while (true) {
    while (piece < pieces.size() && offset >= pieces[piece]) offset -= pieces[piece++];
    if (piece == pieces.size()) break;
    // Whole chunks inside a long piece need no walk.
    const std::uint64_t whole = (pieces[piece] - offset) / options.chunk_bytes;
    chunks += std::max<std::uint64_t>(whole, 1);
    offset +=
        whole > 0 ? whole * options.chunk_bytes : chunk_size(pieces, piece, offset, options.chunk_bytes);
  }
  // A stream without bytes still ends with a chunk, an empty one.
  return total + std::max<std::uint64_t>(chunks, 1) * kFrameHeaderBytes;
}

std::uint64_t wire_size(const Message& message, const ChannelOptions& options) {
  std::vector<std::uint64_t> blobs;
  blobs.reserve(message.blobs.size());
  for (const Blob& blob : message.blobs) blobs.push_back(blob.size());
  return wire_size(message.head.size(), blobs, options);
}

}  // namespace fedloom
