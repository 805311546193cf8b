// Frames as bytes: what is written is read, what is broken is named, sizes add up.
#include "transport/frame.hpp"

#include <algorithm>
#include <cstring>
#include <random>

#include <gtest/gtest.h>

namespace fedloom {
namespace {

std::vector<std::byte> bytes_of(Frame frame, std::span<const std::byte> body) {
  frame.body = body;
  const auto header = encode_header(frame);
  std::vector<std::byte> bytes(header.size() + body.size());
  std::ranges::copy(header, bytes.begin());
  std::ranges::copy(body, bytes.begin() + kFrameHeaderBytes);
  return bytes;
}

std::vector<std::byte> some_bytes(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 31 + 7);
  return bytes;
}

TEST(Frame, IsReadAsItWasWritten) {
  const auto body = some_bytes(1000);
  const auto bytes =
      bytes_of({.kind = FrameKind::chunk, .flags = 3, .stream = 77, .offset = 1ULL << 40U}, body);
  ASSERT_EQ(bytes.size(), kFrameHeaderBytes + 1000);
  for (const bool in_two : {false, true}) {
    const std::span all(bytes);
    const ParsedFrame parsed =
        in_two ? parse_frame(all.first(kFrameHeaderBytes), all.subspan(kFrameHeaderBytes)) : parse_frame(all);
    ASSERT_EQ(parsed.reason, Reason::none) << parsed.text;
    EXPECT_EQ(parsed.frame.kind, FrameKind::chunk);
    EXPECT_EQ(parsed.frame.flags, 3);
    EXPECT_EQ(parsed.frame.stream, 77U);
    EXPECT_EQ(parsed.frame.offset, 1ULL << 40U);
    EXPECT_TRUE(std::ranges::equal(parsed.frame.body, body));
  }
}

TEST(Frame, AnyFlippedBitIsNoticed) {
  const auto body = some_bytes(40);
  auto bytes = bytes_of({.kind = FrameKind::message, .stream = 5}, body);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    EXPECT_NE(parse_frame(bytes).reason, Reason::none) << "bit " << bit;
    bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
  }
  EXPECT_EQ(parse_frame(bytes).reason, Reason::none);
}

TEST(Frame, AnyTruncationIsNoticed) {
  const auto bytes = bytes_of({.kind = FrameKind::message}, some_bytes(40));
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_EQ(parse_frame(std::span(bytes).first(size)).reason, Reason::malformed) << size;
}

TEST(Frame, AnotherVersionIsNamedWithBothNumbers) {
  auto bytes = bytes_of({.kind = FrameKind::hello}, {});
  const std::uint16_t other = 7;
  std::memcpy(bytes.data() + 4, &other, sizeof other);
  const ParsedFrame parsed = parse_frame(bytes);
  EXPECT_EQ(parsed.reason, Reason::version);
  EXPECT_NE(parsed.text.find("version 7"), std::string::npos) << parsed.text;
  EXPECT_NE(parsed.text.find(fmt::format("version {}", kProtocolVersion)), std::string::npos) << parsed.text;
  // Whatever that version has behind the first eight bytes.
  EXPECT_EQ(parse_frame(std::span(bytes).first(8)).reason, Reason::version);
}

TEST(Frame, ALyingLengthIsRefusedBeforeAnythingElse) {
  auto bytes = bytes_of({.kind = FrameKind::message}, {});
  const std::uint32_t huge = 0xffffffff;
  std::memcpy(bytes.data() + 12, &huge, sizeof huge);
  EXPECT_EQ(parse_frame(bytes).reason, Reason::limit);
}

TEST(Frame, GreetingsAndNoticesAreReadAsTheyWereWritten) {
  std::string text;
  Greeting greeting;
  ASSERT_EQ(parse(encode(Greeting{1, 2, 3, 4}), greeting, text), Reason::none);
  EXPECT_EQ(greeting.instance, 1U);
  EXPECT_EQ(greeting.max_message_bytes, 2U);
  EXPECT_EQ(greeting.max_head_bytes, 3U);
  EXPECT_EQ(greeting.max_blobs, 4U);
  Notice notice;
  ASSERT_EQ(parse(encode(Notice{Reason::late, "too\x1blate"}), notice, text), Reason::none);
  EXPECT_EQ(notice.reason, Reason::late);
  EXPECT_EQ(notice.text, "too?late");  // nothing that could drive a terminal
  ASSERT_EQ(parse(encode(Notice{Reason::late, std::string(5000, 'x')}), notice, text), Reason::none);
  EXPECT_EQ(notice.text.size(), 1024U);
  EXPECT_EQ(parse({}, notice, text), Reason::malformed);
  EXPECT_EQ(parse(some_bytes(3), greeting, text), Reason::malformed);
  const std::vector<std::byte> unknown{std::byte{200}};
  EXPECT_EQ(parse(unknown, notice, text), Reason::malformed);
}

TEST(Frame, TablesAreHeldAgainstTheCaps) {
  const Greeting caps{0, 1000, 100, 4};
  const auto parse_shape = [&](const MessageShape& shape) {
    std::vector<std::byte> body;
    append(body, shape);
    MessageShape read;
    std::span<const std::byte> rest;
    std::string text;
    return parse(body, caps, read, rest, text);
  };
  EXPECT_EQ(parse_shape({1, 100, {300, 300, 300}}), Reason::none);
  EXPECT_EQ(parse_shape({1, 101, {}}), Reason::limit);
  EXPECT_EQ(parse_shape({1, 0, {1, 1, 1, 1, 1}}), Reason::limit);
  EXPECT_EQ(parse_shape({1, 100, {901}}), Reason::limit);
  EXPECT_EQ(parse_shape({1, 0, {~0ULL, 2}}), Reason::limit);  // sums do not wrap
  EXPECT_EQ(parse_shape({1, 0, {500, ~0ULL - 400}}), Reason::limit);
}

// 100 bytes in one blob: header 32 + table (12 + 8) + 100.
TEST(WireSize, OfASmallMessageIsItsFrame) {
  EXPECT_EQ(wire_size({1, "", {Blob::allocate(100)}}, {}), 32U + 20U + 100U);
  EXPECT_EQ(wire_size(0, {}), 44U);
}

// 1,000,000 bytes in one blob and a head of 10: announcement 32 + 20 + 10, and two chunks of 32 + their part.
TEST(WireSize, OfALargeMessageIsAnnouncementAndChunks) {
  EXPECT_EQ(wire_size({1, std::string(10, 'x'), {Blob::allocate(1'000'000)}}, {}),
            32U + 20U + 10U + 2 * 32U + 1'000'000U);
  ChannelOptions options;
  options.chunk_bytes = 256U << 10U;
  EXPECT_EQ(wire_size({1, "", {Blob::allocate(1'000'000)}}, options), 52U + 4 * 32U + 1'000'000U);
}

// The walk that skips over whole chunks agrees with cutting chunk by chunk.
TEST(WireSize, AgreesWithCutting) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    ChannelOptions options;
    options.chunk_bytes = round % 2 == 0 ? 256U << 10U : 300'000U;
    std::vector<std::uint64_t> pieces;
    std::uint64_t total = 70'000;  // never inline
    pieces.push_back(total);
    for (std::size_t i = random() % 20; i > 0; --i) {
      pieces.push_back(random() % (random() % 3 == 0 ? 2'000'000U : 90'000U));
      total += pieces.back();
    }
    std::uint64_t chunks = 0;
    for (std::uint64_t at = 0; at < total; ++chunks) {
      std::size_t piece = 0;
      std::uint64_t offset = at;
      while (offset >= pieces[piece]) offset -= pieces[piece++];
      const std::uint64_t size = chunk_size(pieces, piece, offset, options.chunk_bytes);
      ASSERT_GT(size, 0U);
      ASSERT_LE(size, options.chunk_bytes);
      at += size;
    }
    EXPECT_EQ(wire_size(0, pieces, options), 44 + pieces.size() * 8 + total + chunks * 32);
  }
}

}  // namespace
}  // namespace fedloom
