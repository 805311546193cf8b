// Frames of the fuzzers of sessions: well formed in header and table, and of any kind, number and size. What
// is not well formed they take from the input as it is.
#pragma once

#include <vector>

#include "tests/fuzz/script.hpp"
#include "transport/outbound.hpp"

namespace fedloom::testing {

inline std::vector<std::byte> some_bytes(Script& input) {
  const auto run = input.run(input.number<std::uint8_t>());
  return {run.begin(), run.end()};
}

/// In one part.
inline std::vector<std::byte> well_formed_frame(Script& input) {
  Frame frame;
  frame.kind = static_cast<FrameKind>(1 + input.number<std::uint8_t>() % 10);
  frame.flags = input.number<std::uint8_t>();
  frame.stream = input.number<std::uint8_t>();
  frame.offset = input.number<std::uint16_t>();
  std::vector<std::byte> body;
  if (frame.kind == FrameKind::announce || frame.kind == FrameKind::message) {
    MessageShape shape{1, input.number<std::uint8_t>(), {}};
    shape.blobs.resize(input.number<std::uint8_t>() % 4);
    for (std::uint64_t& blob : shape.blobs)
      blob = input.number<std::uint8_t>() % 8 == 0 ? input.number<std::uint64_t>()
                                                   : input.number<std::uint16_t>();
    append(body, shape);
  } else if (frame.kind == FrameKind::goodbye || frame.kind == FrameKind::reject ||
             frame.kind == FrameKind::refuse) {
    body = encode(Notice{
        static_cast<Reason>(input.number<std::uint8_t>() % (static_cast<int>(kLastReason) + 1)), "enough"});
  } else if (frame.kind == FrameKind::heartbeat) {
    body = encode_instance(input.number<std::uint8_t>());
  }
  const auto more = input.run(input.number<std::uint16_t>() % 2048);
  body.insert(body.end(), more.begin(), more.end());
  return make_frame(frame, body).first;
}

}  // namespace fedloom::testing
