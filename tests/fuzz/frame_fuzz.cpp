// libFuzzer: whatever bytes come from a socket. The input is a script of frames: some are taken as they are,
// some get a true header, so that the fuzzer reaches the reassembly behind the checksum. Nothing may crash,
// read outside its input, or keep memory after the conversation ends.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "tests/fuzz/script.hpp"
#include "transport/inbound.hpp"
#include "transport/outbound.hpp"

namespace {

using namespace fedloom;  // NOLINT
using fedloom::testing::Script;

constexpr std::uint64_t kBudget = 1U << 20U;
constexpr Greeting kCaps{1, 4U << 20U, 1U << 20U, 256};

// One side of a conversation whose other side is the fuzzer.
struct Conversation {
  std::shared_ptr<ReceiveMemory> memory = std::make_shared<ReceiveMemory>(kBudget, [] {});
  Outbound out{ChannelOptions{}, kCaps};
  Inbound in{kCaps, memory, [this](OutFrame frame, std::uint64_t) { out.push_control(std::move(frame)); }};

  void hear(const Frame& frame) {
    std::string text;
    Greeting greeting;
    Notice notice;
    std::uint64_t instance = 0;
    bool dropped = false;
    switch (frame.kind) {
      case FrameKind::message:
      case FrameKind::announce:
      case FrameKind::chunk: {
        const Inbound::Outcome outcome = in.on_frame(frame);
        if (outcome.message && payload_size(*outcome.message) > kCaps.max_message_bytes) std::abort();
        break;
      }
      case FrameKind::grant: out.on_grant(frame.stream, frame.offset, text); break;
      case FrameKind::reject:
        if (parse(frame.body, notice, text) == Reason::none) out.on_reject(frame.stream, dropped, text);
        break;
      case FrameKind::heartbeat: parse_instance(frame.body, instance, text); break;
      case FrameKind::hello:
      case FrameKind::welcome: parse(frame.body, greeting, text); break;
      case FrameKind::refuse:
      case FrameKind::goodbye: parse(frame.body, notice, text); break;
    }
  }
  void speak() {
    OutFrame frame;
    for (int i = 0; i < 100 && out.next(frame); ++i)
      if (parse_frame(frame.first, frame.second.bytes()).reason != Reason::none) std::abort();
  }
};

Frame true_frame(Script& script, std::vector<std::byte>& body) {
  Frame frame;
  frame.kind = static_cast<FrameKind>(1 + script.number<std::uint8_t>() % 10);
  frame.flags = script.number<std::uint8_t>();
  frame.stream = script.number<std::uint8_t>();
  frame.offset = script.number<std::uint16_t>();
  if (frame.kind == FrameKind::announce || frame.kind == FrameKind::message) {
    MessageShape shape{1, script.number<std::uint16_t>(), {}};
    shape.blobs.resize(script.number<std::uint8_t>() % 8);
    for (std::uint64_t& blob : shape.blobs) blob = script.number<std::uint16_t>();
    append(body, shape);
  }
  const auto more = script.run(script.number<std::uint16_t>());
  body.insert(body.end(), more.begin(), more.end());
  frame.body = body;
  return frame;
}

void act(Script& script, Conversation& conversation) {
  switch (script.number<std::uint8_t>() % 4) {
    case 0: {  // bytes as they are, in one part or two
      const auto first = script.run(script.number<std::uint8_t>());
      const auto second = script.run(script.number<std::uint8_t>() % 64);
      const ParsedFrame parsed = parse_frame(first, second);
      if (parsed.reason == Reason::none) conversation.hear(parsed.frame);
      break;
    }
    case 1:
    case 2: {  // a frame whose header is true
      std::vector<std::byte> body;
      Frame frame = true_frame(script, body);
      if (body.size() > kMaxBodyBytes) break;
      const auto header = encode_header(frame);
      const ParsedFrame parsed = parse_frame(header, body);
      if (!body.empty() && parsed.reason != Reason::none) std::abort();
      conversation.hear(frame);
      break;
    }
    default: {  // we say something ourselves
      Message message{1, std::string(script.number<std::uint8_t>(), 'h'), {}};
      message.blobs.push_back(Blob::allocate(script.number<std::uint16_t>() * std::size_t{4}));
      std::string text;
      conversation.out.push(std::move(message), text);
      conversation.speak();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Script script(std::as_bytes(std::span(data, size)));
  std::shared_ptr<ReceiveMemory> memory;
  {
    Conversation conversation;
    memory = conversation.memory;
    while (!script.ended()) act(script, conversation);
    conversation.speak();
  }
  if (memory->used() != 0) std::abort();
  return 0;
}
