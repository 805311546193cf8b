// Outbound and Inbound against each other without a socket, and against peers that lie.
#include <algorithm>
#include <random>

#include "tests/transport/channel_world.hpp"
#include "transport/inbound.hpp"
#include "transport/outbound.hpp"

namespace fedloom {
namespace {

using namespace fedloom::testing;  // NOLINT

constexpr Greeting kCaps{1, 1ULL << 30U, 1U << 24U, 4096};

// A sender and a receiver; pump() carries frames until neither has any.
struct Pair {
  explicit Pair(const ChannelOptions& options = {}, std::uint64_t budget = 64ULL << 20U,
                Greeting caps = kCaps)
      : memory(std::make_shared<ReceiveMemory>(budget, [] {})),
        out(options, caps),
        in(std::make_unique<Inbound>(
            caps, memory, [this](OutFrame frame, std::uint64_t) { replies.push_back(std::move(frame)); })) {}

  Inbound::Outcome deliver(const OutFrame& frame) {
    wire_bytes += frame.size();
    const ParsedFrame parsed = parse_frame(frame.first, frame.second.bytes());
    EXPECT_EQ(parsed.reason, Reason::none) << parsed.text;
    Inbound::Outcome outcome = in->on_frame(parsed.frame);
    payload += outcome.payload;
    return outcome;
  }
  void pump() {
    OutFrame frame;
    for (bool moved = true; moved;) {
      moved = false;
      while (out.next(frame)) {
        moved = true;
        Inbound::Outcome outcome = deliver(frame);
        EXPECT_EQ(outcome.reason, Reason::none) << outcome.text;
        if (outcome.message) messages.push_back(std::move(*outcome.message));
      }
      for (const OutFrame& reply : std::exchange(replies, {})) {
        moved = true;
        const ParsedFrame parsed = parse_frame(reply.first);
        std::string text;
        if (parsed.frame.kind == FrameKind::grant) {
          EXPECT_EQ(out.on_grant(parsed.frame.stream, parsed.frame.offset, text), Reason::none);
        } else {
          bool dropped = false;
          EXPECT_EQ(out.on_reject(parsed.frame.stream, dropped, text), Reason::none);
          rejected += dropped ? 1 : 0;
        }
      }
    }
  }

  std::shared_ptr<ReceiveMemory> memory;
  Outbound out;
  std::vector<OutFrame> replies;
  std::unique_ptr<Inbound> in;
  std::vector<Message> messages;
  std::uint64_t wire_bytes = 0;
  std::uint64_t payload = 0;
  int rejected = 0;
};

void push(Outbound& out, Message message) {
  std::string text;
  ASSERT_EQ(out.push(std::move(message), text), Reason::none) << text;
}

// Sixteen messages are announced and none is sent: the first holds what it needs, the others an eighth of the
// budget between them.
TEST(Stream, WhoAnnouncesManyMessagesHoldsLittle) {
  constexpr std::uint64_t kMiB = 1U << 20U;
  Pair pair({}, 64 * kMiB);
  const auto announce = [&](std::uint32_t stream, std::uint64_t size) {
    std::vector<std::byte> body;
    append(body, MessageShape{1, 0, {size}});
    EXPECT_EQ(pair.deliver(make_frame({.kind = FrameKind::announce, .stream = stream}, body)).reason,
              Reason::none);
  };
  for (std::uint32_t stream = 1; stream <= 16; ++stream) announce(stream, 3 * kMiB);
  EXPECT_EQ(pair.memory->used(), 9 * kMiB);  // 3 and 6; the fourth would make it 3 and 9, and 8 is an eighth
  EXPECT_EQ(pair.in->held(), 9 * kMiB);
  EXPECT_EQ(pair.replies.size(), 3U);
  pair.in.reset();
  EXPECT_EQ(pair.memory->used(), 0U);
}

TEST(Stream, RandomMessagesSurviveAndCostTheirWireSize) {
  std::mt19937 random(7);
  for (int round = 0; round < 40; ++round) {
    ChannelOptions options;
    options.inline_bytes = round % 3 == 0 ? 0 : 64U << 10U;
    options.chunk_bytes = round % 2 == 0 ? 512U << 10U : 256U << 10U;
    Pair pair(options);
    std::vector<Message> sent;
    std::uint64_t expected = 0;
    for (std::uint16_t i = 0; i < 8; ++i) {
      std::vector<std::size_t> blobs(random() % 6);
      for (std::size_t& size : blobs) size = random() % (random() % 4 == 0 ? 1'500'000U : 50'000U);
      sent.push_back(make_message(i, random() % (random() % 4 == 0 ? 200'000U : 100U), blobs));
      expected += wire_size(sent.back(), options);
      push(pair.out, sent.back());
    }
    pair.pump();
    ASSERT_EQ(pair.messages.size(), sent.size());
    for (std::size_t i = 0; i < sent.size(); ++i) EXPECT_TRUE(same(pair.messages[i], sent[i]));
    EXPECT_EQ(pair.wire_bytes, expected);
    EXPECT_EQ(pair.out.bytes(), 0U);
    EXPECT_FALSE(pair.in->is_owed());
    pair.messages.clear();
    EXPECT_EQ(pair.memory->used(), 0U);
  }
}

TEST(Stream, NeverMoreThanTheWindowIsUnderWay) {
  Pair pair;
  push(pair.out, {1, "", {Blob::allocate(20U << 20U)}});
  OutFrame frame;
  ASSERT_TRUE(pair.out.next(frame));
  EXPECT_FALSE(pair.out.next(frame)) << "chunks before any credit";
  std::string text;
  ASSERT_EQ(pair.out.on_grant(1, 4U << 20U, text), Reason::none);
  std::uint64_t sent = 0;
  while (pair.out.next(frame)) sent += frame.payload;
  EXPECT_EQ(sent, 4U << 20U);
}

TEST(Stream, SuccessorsAskForCreditsEarly) {
  Pair pair;
  for (std::uint16_t i = 0; i < 10; ++i) push(pair.out, {i, "", {Blob::allocate(100'000)}});
  OutFrame frame;
  int announced = 0;
  while (pair.out.next(frame)) ++announced;
  EXPECT_EQ(announced, 4);
}

TEST(Stream, ARejectedMessageMakesWayForTheNext) {
  Pair pair({}, 64U << 20U, kCaps);
  pair.in =
      std::make_unique<Inbound>(Greeting{1, 1U << 20U, 1U << 24U, 4096}, pair.memory,
                                [&](OutFrame f, std::uint64_t) { pair.replies.push_back(std::move(f)); });
  push(pair.out, make_message(1, 0, {2U << 20U}));
  push(pair.out, make_message(2, 0, {1U << 19U}));
  OutFrame frame;
  ASSERT_TRUE(pair.out.next(frame));
  EXPECT_EQ(pair.deliver(frame).reason, Reason::limit);
  pair.pump();
  EXPECT_EQ(pair.rejected, 1);
  ASSERT_EQ(pair.messages.size(), 1U);
  EXPECT_EQ(pair.messages[0].type, 2);
}

// Announces one message of a million bytes and is let in.
struct Liar : Pair {
  Liar() {
    push(out, make_message(1, 0, {1'000'000}));
    OutFrame frame;
    EXPECT_TRUE(out.next(frame));
    EXPECT_EQ(deliver(frame).reason, Reason::none);
    EXPECT_GE(memory->used(), 1'000'000U);
  }
  Inbound::Outcome chunk(std::uint32_t stream, std::uint64_t offset, std::size_t size) {
    const std::vector<std::byte> bytes(size);
    return in->on_frame({.kind = FrameKind::chunk, .stream = stream, .offset = offset, .body = bytes});
  }
};

TEST(Stream, WrongChunksEndTheStreamAndFreeItsMemory) {
  struct Case {
    std::uint32_t stream;
    std::uint64_t offset;
    std::size_t size;
  };
  for (const Case c : {Case{1, 5, 100}, Case{1, 0, 1'000'001}, Case{1, 0, 0}}) {
    Liar liar;
    EXPECT_EQ(liar.chunk(c.stream, c.offset, c.size).reason, Reason::malformed);
    EXPECT_EQ(liar.memory->used(), 0U);
    EXPECT_FALSE(liar.in->is_owed());
    EXPECT_EQ(liar.replies.size(), 2U);  // the grant, the rejection
  }
  Liar liar;
  EXPECT_EQ(liar.chunk(2, 0, 100).reason, Reason::malformed);  // of a stream that is not
  EXPECT_TRUE(liar.in->is_owed());                             // does not harm the one that is
}

TEST(Stream, AnnouncementsOutOfOrderOrWithoutEndAreRefused) {
  Liar liar;
  std::vector<std::byte> body;
  append(body, MessageShape{1, 0, {1000}});
  const auto announce = [&](std::uint32_t stream) {
    return liar.in->on_frame({.kind = FrameKind::announce, .stream = stream, .body = body}).reason;
  };
  EXPECT_EQ(announce(0), Reason::malformed);
  EXPECT_EQ(announce(1), Reason::malformed);
  Reason reason = Reason::none;
  std::uint32_t stream = 1;
  while (reason == Reason::none && stream < 1000) reason = announce(++stream);
  EXPECT_EQ(reason, Reason::malformed);
  EXPECT_LT(stream, 32U);
}

TEST(Stream, AVanishedPeerFreesItsMemoryAndItsPlace) {
  Liar liar;
  liar.in.reset();
  EXPECT_EQ(liar.memory->used(), 0U);
}

TEST(Stream, CreditsForNothingAreRefused) {
  Pair pair;
  push(pair.out, make_message(1, 0, {1'000'000}));
  std::string text;
  bool dropped = false;
  EXPECT_EQ(pair.out.on_grant(1, 5, text), Reason::malformed);  // not announced yet
  OutFrame frame;
  ASSERT_TRUE(pair.out.next(frame));
  EXPECT_EQ(pair.out.on_grant(0, 5, text), Reason::malformed);
  EXPECT_EQ(pair.out.on_grant(2, 5, text), Reason::malformed);
  EXPECT_EQ(pair.out.on_reject(2, dropped, text), Reason::malformed);
  EXPECT_EQ(pair.out.on_grant(1, 5, text), Reason::none);
  EXPECT_EQ(pair.out.on_reject(1, dropped, text), Reason::none);
  EXPECT_TRUE(dropped);
  EXPECT_EQ(pair.out.on_grant(1, 5, text), Reason::none);  // late, harmless
  EXPECT_EQ(pair.out.messages(), 0U);
}

// Whatever frames come, nothing breaks and no memory stays behind.
TEST(Stream, RandomFramesDoNoHarm) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    Pair pair({}, 4U << 20U);
    for (int i = 0; i < 60; ++i) {
      std::vector<std::byte> body;
      const auto kind = std::array{FrameKind::message, FrameKind::announce, FrameKind::chunk}[random() % 3];
      if (kind == FrameKind::chunk) {
        body.resize(random() % 3000);
      } else {
        append(body,
               MessageShape{1, static_cast<std::uint32_t>(random() % 50), {random() % 5000, random() % 100}});
        body.resize(body.size() + random() % 60);
      }
      pair.in->on_frame({.kind = kind,
                         .flags = static_cast<std::uint8_t>(random() % 2),
                         .stream = static_cast<std::uint32_t>(random() % 8),
                         .offset = random() % 2 == 0 ? 0 : random() % 3000,
                         .body = body});
    }
    pair.in.reset();
    EXPECT_EQ(pair.memory->used(), 0U);
  }
}

}  // namespace
}  // namespace fedloom
