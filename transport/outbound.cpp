// Order, announcements and the cutting of chunks.
#include "transport/outbound.hpp"

#include <algorithm>
#include <cstring>

namespace fedloom {

namespace {

// How many messages, counted from the one at hand, may be announced.
constexpr std::size_t kLookahead = 4;

std::vector<std::uint64_t> blob_sizes(const Message& message) {
  std::vector<std::uint64_t> sizes;
  sizes.reserve(message.blobs.size() + 1);
  for (const Blob& blob : message.blobs) sizes.push_back(blob.size());
  return sizes;
}

void append_bytes(std::vector<std::byte>& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

std::vector<std::byte> begin_with_table(const Message& message, std::vector<std::uint64_t> sizes,
                                        std::size_t more) {
  const MessageShape shape{message.type, static_cast<std::uint32_t>(message.head.size()), std::move(sizes)};
  std::vector<std::byte> out;
  out.reserve(kFrameHeaderBytes + shape.table_bytes() + more);
  out.resize(kFrameHeaderBytes);
  append(out, shape);
  return out;
}

// Writes the header in front of a body that lies behind 32 reserved bytes.
void seal(std::vector<std::byte>& bytes, Frame frame) {
  frame.body = std::span(bytes).subspan(kFrameHeaderBytes);
  const auto header = encode_header(frame);
  std::memcpy(bytes.data(), header.data(), header.size());
}

}  // namespace

OutFrame make_frame(Frame frame, std::span<const std::byte> body) {
  OutFrame out;
  out.first.resize(kFrameHeaderBytes + body.size());
  if (!body.empty()) std::memcpy(out.first.data() + kFrameHeaderBytes, body.data(), body.size());
  seal(out.first, frame);
  return out;
}

Reason Outbound::push(Message&& message, std::string& text) {
  const std::uint64_t payload = payload_size(message);
  if (payload > caps_.max_message_bytes || message.head.size() > caps_.max_head_bytes ||
      message.blobs.size() > caps_.max_blobs) {
    text = fmt::format("a message of {} bytes (head {}, {} blobs) for a peer that takes {} ({}, {})", payload,
                       message.head.size(), message.blobs.size(), caps_.max_message_bytes,
                       caps_.max_head_bytes, caps_.max_blobs);
    return Reason::limit;
  }
  const bool room = payload <= options_.max_queue_bytes && bytes_ <= options_.max_queue_bytes - payload &&
                    entries_.size() < options_.max_queue_messages;
  if (!room && !entries_.empty()) {
    text =
        fmt::format("a message of {} bytes finds {} messages with {} bytes waiting; at most {} and {} may",
                    payload, entries_.size(), bytes_, options_.max_queue_messages, options_.max_queue_bytes);
    return Reason::limit;
  }
  Entry entry;
  entry.payload = payload;
  entry.pieces = blob_sizes(message);
  if (is_inline(message.head.size(), entry.pieces, options_.inline_bytes)) {
    entry.pieces.clear();
  } else {
    entry.stream = ++last_stream_;
    if (message.head.size() > kAnnouncedHeadBytes)
      entry.pieces.insert(entry.pieces.begin(), message.head.size());
  }
  entry.message = std::move(message);
  bytes_ += payload;
  entries_.push_back(std::move(entry));
  return Reason::none;
}

bool Outbound::next(OutFrame& frame) {
  if (!control_.empty()) {
    frame = std::move(control_.front());
    control_.pop_front();
    return true;
  }
  for (; unannounced_ < std::min(entries_.size(), kLookahead); ++unannounced_) {
    const Entry& entry = entries_[unannounced_];
    if (entry.stream == 0) continue;
    frame = announcement(entry);
    last_announced_ = entry.stream;
    ++unannounced_;
    return true;
  }
  if (entries_.empty()) return false;
  Entry& entry = entries_.front();
  if (entry.stream == 0) {
    frame = inline_frame(entry);
  } else if (!next_chunk(entry, frame)) {
    return false;
  }
  if (frame.completes) {
    bytes_ -= entry.payload;
    entries_.pop_front();
    --unannounced_;
  }
  return true;
}

OutFrame Outbound::inline_frame(const Entry& entry) const {
  OutFrame out;
  out.first = begin_with_table(entry.message, blob_sizes(entry.message), entry.payload);
  append_bytes(out.first, std::as_bytes(std::span(entry.message.head)));
  for (const Blob& blob : entry.message.blobs) append_bytes(out.first, blob.bytes());
  seal(out.first, {.kind = FrameKind::message});
  out.control = false;
  out.completes = true;
  out.payload = entry.payload;
  return out;
}

OutFrame Outbound::announcement(const Entry& entry) const {
  const std::string& head = entry.message.head;
  OutFrame out;
  out.first = begin_with_table(entry.message, blob_sizes(entry.message), head.size());
  out.control = false;
  if (!entry.head_follows()) {
    append_bytes(out.first, std::as_bytes(std::span(head)));
    out.payload = head.size();
  }
  const std::uint8_t flags = entry.head_follows() ? kHeadFollows : std::uint8_t{0};
  seal(out.first, {.kind = FrameKind::announce, .flags = flags, .stream = entry.stream});
  return out;
}

bool Outbound::next_chunk(Entry& entry, OutFrame& frame) const {
  while (entry.piece < entry.pieces.size() && entry.offset == entry.pieces[entry.piece]) {
    ++entry.piece;
    entry.offset = 0;
  }
  const bool empty = entry.piece == entry.pieces.size();  // nothing but empty blobs: one empty chunk ends it
  const std::uint64_t size =
      empty ? 0 : chunk_size(entry.pieces, entry.piece, entry.offset, options_.chunk_bytes);
  if (!entry.granted || entry.sent + size > entry.allowed) return false;
  frame = {};
  frame.second = cut(entry, size);
  const auto header = encode_header(
      {.kind = FrameKind::chunk, .stream = entry.stream, .offset = entry.sent, .body = frame.second.bytes()});
  frame.first.assign(header.begin(), header.end());
  frame.control = false;
  frame.payload = size;
  entry.sent += size;
  const std::uint64_t announced = entry.head_follows() ? 0 : entry.message.head.size();
  frame.completes = entry.sent + announced == entry.payload;
  return true;
}

// Takes the next `size` bytes of the stream: a view where they lie in one piece, else a copy.
Blob Outbound::cut(Entry& entry, std::uint64_t size) const {
  if (size == 0) return {};
  const std::size_t first_blob = entry.head_follows() ? 1 : 0;
  const auto bytes_of = [&](std::size_t piece) {
    return piece < first_blob ? std::as_bytes(std::span(entry.message.head))
                              : entry.message.blobs[piece - first_blob].bytes();
  };
  if (entry.piece >= first_blob && size <= entry.pieces[entry.piece] - entry.offset) {
    const Blob view = entry.message.blobs[entry.piece - first_blob].slice(entry.offset, size);
    entry.offset += size;
    return view;
  }
  Blob joined = Blob::allocate(size);
  std::span<std::byte> left = joined.writable();
  while (!left.empty()) {
    const std::size_t take = std::min<std::size_t>(left.size(), entry.pieces[entry.piece] - entry.offset);
    if (take > 0) std::memcpy(left.data(), bytes_of(entry.piece).data() + entry.offset, take);
    left = left.subspan(take);
    entry.offset += take;
    if (entry.offset == entry.pieces[entry.piece] && !left.empty()) {
      ++entry.piece;
      entry.offset = 0;
    }
  }
  return joined;
}

Outbound::Entry* Outbound::find(std::uint32_t stream) {
  // Only what was announced can be meant, and that is never more than a few.
  for (std::size_t i = 0; i < std::min(unannounced_, entries_.size()); ++i)
    if (entries_[i].stream == stream) return &entries_[i];
  return nullptr;
}

Reason Outbound::on_grant(std::uint32_t stream, std::uint64_t up_to, std::string& text) {
  Entry* entry = stream == 0 ? nullptr : find(stream);
  if (stream == 0 || stream > last_announced_) {
    text = fmt::format("a credit for stream {}, which was never announced", stream);
    return Reason::malformed;
  }
  if (entry == nullptr) return Reason::none;
  entry->granted = true;
  entry->allowed = std::max(entry->allowed, up_to);
  return Reason::none;
}

Reason Outbound::on_reject(std::uint32_t stream, bool& dropped, std::string& text) {
  Entry* entry = stream == 0 ? nullptr : find(stream);
  if (stream == 0 || stream > last_announced_) {
    text = fmt::format("a rejection of stream {}, which was never announced", stream);
    return Reason::malformed;
  }
  dropped = entry != nullptr;
  if (!dropped) return Reason::none;
  bytes_ -= entry->payload;
  std::erase_if(entries_, [stream](const Entry& other) { return other.stream == stream; });
  --unannounced_;
  return Reason::none;
}

}  // namespace fedloom
