// Reassembly. A rule broken by the peer ends the stream at hand and is the caller's to count.
#include "transport/inbound.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace fedloom {

namespace {

constexpr std::size_t kMaxAnnounced = 16;

std::uint64_t aligned(std::uint64_t size) {
  return (size + Blob::kAlignment - 1) / Blob::kAlignment * Blob::kAlignment;
}

std::uint64_t memory_size(const MessageShape& shape) {
  std::uint64_t total = 0;
  for (const std::uint64_t blob : shape.blobs) total += aligned(blob);
  return total;
}

Inbound::Outcome broken(Reason reason, std::string text) { return {reason, std::move(text), {}, 0}; }

// The blobs of a message whose memory is filled.
std::vector<Blob> slices(const Blob& memory, const std::vector<std::uint64_t>& sizes) {
  std::vector<Blob> blobs;
  blobs.reserve(sizes.size());
  std::uint64_t place = 0;
  for (const std::uint64_t size : sizes) {
    blobs.push_back(size == 0 ? Blob{} : memory.slice(place, size));
    place += aligned(size);
  }
  return blobs;
}

}  // namespace

Inbound::Inbound(const Greeting& caps, std::shared_ptr<ReceiveMemory> memory, Reply reply, NoMemory no_memory,
                 std::uint64_t window)
    : caps_(caps),
      memory_(std::move(memory)),
      reply_(std::move(reply)),
      no_memory_(std::move(no_memory)),
      window_(window) {}

Inbound::~Inbound() {
  for (const auto& stream : streams_)
    if (stream->asked && !stream->admitted) memory_->cancel(stream->ticket);
}

std::uint64_t Inbound::Stream::lent() const {
  return std::max<std::uint64_t>(memory_size(shape), following_head() > 0 ? Blob::kAlignment : 0);
}

std::uint64_t Inbound::held() const {
  std::uint64_t held = 0;
  for (const auto& stream : streams_)
    if (stream->admitted) held += stream->charge();
  return held;
}

Inbound::Outcome Inbound::on_frame(const Frame& frame) {
  switch (frame.kind) {
    case FrameKind::message: return on_message(frame);
    case FrameKind::announce: return on_announce(frame);
    default: break;
  }
  FEDLOOM_CHECK(frame.kind == FrameKind::chunk, "a frame of kind {} carries no message",
                static_cast<int>(frame.kind));
  return on_chunk(frame);
}

Inbound::Outcome Inbound::on_message(const Frame& frame) {
  MessageShape shape;
  std::span<const std::byte> rest;
  Outcome outcome;
  outcome.reason = parse(frame.body, caps_, shape, rest, outcome.text);
  if (outcome.reason != Reason::none) return outcome;
  std::uint64_t payload = shape.head;
  for (const std::uint64_t blob : shape.blobs) payload += blob;
  if (payload != rest.size()) {
    return broken(Reason::malformed,
                  fmt::format("a message of {} bytes in a frame with {} for them", payload, rest.size()));
  }
  Message message{shape.type, std::string(reinterpret_cast<const char*>(rest.data()), shape.head), {}};
  rest = rest.subspan(shape.head);
  Blob memory = Blob::allocate(memory_size(shape));
  std::byte* place = memory.writable().data();
  for (const std::uint64_t blob : shape.blobs) {
    if (blob > 0) std::memcpy(place, rest.data(), blob);
    rest = rest.subspan(blob);
    place += aligned(blob);
  }
  message.blobs = slices(memory, shape.blobs);
  outcome.message = std::move(message);
  outcome.payload = payload;
  return outcome;
}

Inbound::Outcome Inbound::on_announce(const Frame& frame) {
  if (frame.stream == 0 || frame.stream <= last_stream_ || streams_.size() >= kMaxAnnounced) {
    return broken(Reason::malformed, fmt::format("stream {} announced after stream {} with {} open",
                                                 frame.stream, last_stream_, streams_.size()));
  }
  last_stream_ = frame.stream;
  auto stream = std::make_unique<Stream>();
  stream->number = frame.stream;
  stream->head_follows = (frame.flags & kHeadFollows) != 0;
  std::span<const std::byte> rest;
  std::string text;
  Reason reason = parse(frame.body, caps_, stream->shape, rest, text);
  if (reason == Reason::none && rest.size() != (stream->head_follows ? 0 : stream->shape.head)) {
    reason = Reason::malformed;
    text = fmt::format("a head of {} bytes with {} of them announced", stream->shape.head, rest.size());
  }
  if (reason != Reason::none) {
    reject(frame.stream, reason, text);
    return broken(reason, std::move(text));
  }
  for (const std::uint64_t blob : stream->shape.blobs) stream->total += blob;
  if (stream->head_follows) {
    stream->total += stream->shape.head;
  } else {
    stream->head.assign(reinterpret_cast<const char*>(rest.data()), rest.size());
  }
  streams_.push_back(std::move(stream));
  ask();
  return {Reason::none, {}, {}, rest.size()};
}

// The message that is being sent may take what it needs. Those behind it ask ahead of their turn, so that the
// peer never waits for a credit, and only for a share: many may be announced and none of them sent.
void Inbound::ask() {
  std::uint64_t behind = 0;
  for (const auto& stream : streams_) {
    if (stream != streams_.front()) behind += stream->charge();
    if (behind > memory_->share()) break;
    if (std::exchange(stream->asked, true)) continue;
    stream->ticket =
        memory_->request(stream->lent(), stream->following_head(),
                         [this, waiting = stream.get()](Blob memory, const std::string& failure) {
                           admit(*waiting, std::move(memory), failure);
                         });
  }
  memory_->admit();
}

void Inbound::admit(Stream& stream, Blob memory, const std::string& failure) {
  if (!failure.empty()) {
    const std::string text = fmt::format("no memory for a message of {} bytes: {}", stream.total, failure);
    reject(stream.number, Reason::limit, text);
    no_memory_(text);
    std::erase_if(streams_, [&stream](const auto& other) { return other.get() == &stream; });
    ++ended_;
    return ask();
  }
  stream.admitted = true;
  stream.memory = std::move(memory);
  if (stream.head_follows) stream.head.resize(stream.shape.head);
  grant(stream);
}

void Inbound::grant(Stream& stream) {
  const std::uint64_t before = stream.granted;
  stream.granted = std::min(stream.total, stream.received + window_);
  reply_(make_frame({.kind = FrameKind::grant, .stream = stream.number, .offset = stream.granted}, {}),
         stream.granted - before);
}

void Inbound::reject(std::uint32_t stream, Reason reason, const std::string& text) {
  reply_(make_frame({.kind = FrameKind::reject, .stream = stream}, encode(Notice{reason, text})), 0);
}

Inbound::Outcome Inbound::on_chunk(const Frame& frame) {
  Stream* stream = streams_.empty() ? nullptr : streams_.front().get();
  if (stream == nullptr || stream->number != frame.stream)
    return broken(Reason::malformed, fmt::format("a chunk of stream {}, which is not at hand", frame.stream));
  const bool fits = stream->admitted && frame.offset == stream->received &&
                    frame.body.size() <= stream->granted - stream->received &&
                    (!frame.body.empty() || stream->total == 0);
  if (!fits) {
    std::string text =
        fmt::format("a chunk of {} bytes at {} of stream {}, which has {} and may have {}", frame.body.size(),
                    frame.offset, frame.stream, stream->received, stream->granted);
    reject(frame.stream, Reason::malformed, text);
    if (stream->asked && !stream->admitted) memory_->cancel(stream->ticket);
    end_first();
    return broken(Reason::malformed, std::move(text));
  }
  fill(*stream, frame.body);
  Outcome outcome;
  outcome.payload = frame.body.size();
  if (stream->received == stream->total) {
    outcome.message = finish(*stream);
    end_first();
  } else if (stream->granted < stream->total && stream->granted - stream->received <= window_ / 2) {
    grant(*stream);
  }
  return outcome;
}

void Inbound::end_first() {
  streams_.pop_front();
  ++ended_;
  ask();
}

// Copies a chunk to its place; it may end one blob and begin others.
void Inbound::fill(Stream& stream, std::span<const std::byte> bytes) {
  stream.received += bytes.size();
  const std::size_t first_blob = stream.head_follows ? 1 : 0;
  while (!bytes.empty()) {
    const bool head = stream.piece < first_blob;
    const std::uint64_t size = head ? stream.shape.head : stream.shape.blobs[stream.piece - first_blob];
    std::byte* begin = head ? reinterpret_cast<std::byte*>(stream.head.data())
                            : stream.memory.writable().data() + stream.place;
    const std::size_t take = std::min<std::size_t>(bytes.size(), size - stream.offset);
    if (take > 0) std::memcpy(begin + stream.offset, bytes.data(), take);
    bytes = bytes.subspan(take);
    stream.offset += take;
    if (stream.offset == size) {
      if (!head) stream.place += aligned(size);
      stream.offset = 0;
      ++stream.piece;
    }
  }
}

Message Inbound::finish(Stream& stream) {
  return {stream.shape.type, std::move(stream.head), slices(stream.memory, stream.shape.blobs)};
}

}  // namespace fedloom
