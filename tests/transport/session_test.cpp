// What a channel makes of connections that do as they like, without a network: a script says what
// they send and whether the socket takes anything.
#include <gtest/gtest.h>

#include "tests/transport/channel_world.hpp"
#include "tests/transport/scripted_link.hpp"
#include "transport/zmq_channel.hpp"

namespace fedloom::testing {
namespace {

class SessionTest : public ::testing::Test {
 protected:
  SessionTest() {
    ChannelOptions options;
    options.heartbeat_interval = 3600 * kSecond;
    options.heartbeat_timeout = 2 * options.heartbeat_interval;
    open(options);
  }
  void open(ChannelOptions options) {
    options.instance = 1;
    channel_.reset();
    channel_ = make_server_over(std::make_unique<ScriptedLink>(script_), executor_, options);
    seen_.attach(*channel_);
  }
  void connect(const std::string& route, const std::string& host = "10.0.0.7") {
    script_.connected[route] = ++descriptor_;
    script_.event({.kind = Link::Event::Kind::opened,
                   .descriptor = descriptor_,
                   .host = host,
                   .name = host + ":" + std::to_string(descriptor_)});
    script_.event({.kind = Link::Event::Kind::up, .descriptor = descriptor_});
  }
  void say(const std::string& route, const OutFrame& frame) { script_.packet(route, {frame.first}); }
  void hello(const std::string& route, std::uint64_t instance) {
    say(route, make_frame({.kind = FrameKind::hello}, encode(Greeting{instance, 1U << 20U, 1U << 16U, 16})));
  }
  static OutFrame question() {
    return make_frame({.kind = FrameKind::heartbeat, .flags = kWantsAnswer}, encode_instance(7));
  }
  static OutFrame message(std::uint16_t type) {
    std::vector<std::byte> body;
    append(body, MessageShape{type, 0, {}});
    return make_frame({.kind = FrameKind::message}, body);
  }
  bool wait(const std::function<bool()>& done) { return executor_.run_until(done, kDeadline); }
  bool all_read() const { return script_.packets.empty(); }

  ScriptedLink::Script script_;
  AsioExecutor executor_;
  std::unique_ptr<Channel> channel_;
  Recorder seen_;
  int descriptor_ = 100;
};

// It asks and asks and its socket takes no answer: it is dropped before answers fill the memory, and stays
// out.
TEST_F(SessionTest, APeerThatTakesNoAnswersIsDropped) {
  connect("deaf");
  hello("deaf", 7);
  ASSERT_TRUE(wait([&] { return seen_.joined() == 1; }));
  script_.full = true;
  for (int i = 0; i < 5000; ++i) say("deaf", question());
  ASSERT_TRUE(wait([&] { return seen_.left() == 1 && all_read(); }));
  EXPECT_EQ(seen_.changes.back(), (Recorder::Change{1, PeerChange::left, Reason::limit}));
  EXPECT_EQ(seen_.refused(Reason::limit), 1U);
  script_.full = false;
  hello("deaf", 7);
  connect("honest");
  hello("honest", 8);
  ASSERT_TRUE(wait([&] { return seen_.joined() == 2 && all_read(); }));
  EXPECT_EQ(channel_->peers(), std::vector<PeerId>{2});
}

// As many questions of one who listens are all answered.
TEST_F(SessionTest, APeerThatTakesItsAnswersMayAsk) {
  connect("chatty");
  hello("chatty", 7);
  for (int i = 0; i < 5000; ++i) say("chatty", question());
  ASSERT_TRUE(wait([&] { return script_.sent["chatty"].size() == 5001; }));  // and the welcome
  EXPECT_EQ(seen_.left(), 0U);
}

// The same client on another connection: the old one is dead, and what still comes over it is a stranger's.
TEST_F(SessionTest, ASecondHelloEndsTheConversationBefore) {
  connect("old");
  hello("old", 7);
  ASSERT_TRUE(wait([&] { return seen_.joined() == 1; }));
  connect("new");
  hello("new", 7);
  say("old", message(5));
  say("new", message(6));
  ASSERT_TRUE(wait([&] { return seen_.messages.size() == 1 && all_read(); }));
  EXPECT_EQ(seen_.messages[0].first, 2U);
  EXPECT_EQ(seen_.messages[0].second.type, 6);
  EXPECT_EQ(channel_->peers(), std::vector<PeerId>{2});
  EXPECT_EQ(seen_.refused(Reason::disconnected), 1U);
}

// A hello that a network delivers twice: one peer after the other, never two.
TEST_F(SessionTest, AHelloTwiceIsOnePeer) {
  connect("route");
  hello("route", 7);
  hello("route", 7);
  say("route", message(5));
  ASSERT_TRUE(wait([&] { return seen_.messages.size() == 1; }));
  EXPECT_EQ(channel_->peers().size(), 1U);
  EXPECT_EQ(seen_.joined(), seen_.left() + 1);
}

// Once is enough, and again where an answer was lost.
TEST_F(SessionTest, WhoSaysHelloAgainAndAgainIsNotHeardAnyMore) {
  connect("route");
  for (std::uint64_t i = 0; i < 30; ++i) hello("route", 7);
  ASSERT_TRUE(wait([&] { return seen_.refused(Reason::limit) == 1 && all_read(); }));
  EXPECT_EQ(seen_.joined(), 16U);
  EXPECT_EQ(seen_.left(), 16U);
  EXPECT_EQ(seen_.refusals.front().text, "10.0.0.7:101: says hello again and again");
  EXPECT_EQ(script_.hung_up, std::vector<int>{101});
}

TEST_F(SessionTest, RefusalsNameWhomTheyAreAbout) {
  connect("route");
  script_.packet("route", {std::vector<std::byte>(40)});
  ASSERT_TRUE(wait([&] { return seen_.refused(Reason::malformed) == 1; }));
  EXPECT_TRUE(seen_.refusals[0].text.starts_with("10.0.0.7:101: ")) << seen_.refusals[0].text;
  connect("other");
  script_.event(
      {.kind = Link::Event::Kind::bad_key, .descriptor = -1, .endpoint = "here", .text = "has no keys"});
  script_.event({.kind = Link::Event::Kind::down, .descriptor = 102});
  ASSERT_TRUE(wait([&] { return seen_.refused(Reason::key) == 1; }));
  EXPECT_EQ(seen_.refusals[1].text, "10.0.0.7:102: a connection to here that has no keys");
}

// As many as may be open without a hello, and one more: the oldest of the host that has the most goes.
TEST_F(SessionTest, TooManyThatSayNothingAreHungUpOn) {
  for (int i = 0; i < 4096; ++i) connect("silent " + std::to_string(i));
  connect("honest", "10.0.0.9");
  ASSERT_TRUE(wait([&] { return script_.hung_up.size() == 1; }));
  EXPECT_EQ(script_.hung_up[0], 101);
  EXPECT_EQ(seen_.refused(Reason::limit), 1U);
  hello("honest", 8);
  ASSERT_TRUE(wait([&] { return seen_.joined() == 1; }));
  EXPECT_EQ(script_.hung_up.size(), 1U);
}

// Well-formed frames, more than may come between two heartbeats; the third too many ends it, and the
// connection too once it has heard why.
TEST_F(SessionTest, AFloodOfControlFramesIsRefused) {
  ChannelOptions options;
  options.heartbeat_interval = 3600 * kSecond;
  options.heartbeat_timeout = 2 * options.heartbeat_interval;
  options.max_control_frames = 10;
  open(options);
  connect("flood");
  hello("flood", 7);
  const OutFrame heartbeat = make_frame({.kind = FrameKind::heartbeat}, encode_instance(7));
  for (int i = 0; i < 12; ++i) say("flood", heartbeat);
  ASSERT_TRUE(wait([&] { return seen_.refused(Reason::limit) == 2 && all_read(); }));
  EXPECT_EQ(seen_.left(), 0U);
  say("flood", heartbeat);
  ASSERT_TRUE(wait([&] { return seen_.left() == 1; }));
  EXPECT_EQ(seen_.changes.back().reason, Reason::limit);
}

// Hello and then nothing, a thousand times from one host: what is left of them are connections like any other
// that says nothing.
TEST_F(SessionTest, ConnectionsWhoseConversationIsOverAreHungUpOn) {
  ChannelOptions options;
  options.heartbeat_interval = 5 * kMillisecond;
  options.heartbeat_timeout = 20 * kMillisecond;
  options.max_half_open = 10;
  open(options);
  for (std::uint64_t i = 0; i < 100; ++i) {
    connect("mute " + std::to_string(i));
    hello("mute " + std::to_string(i), 1000 + i);
  }
  ASSERT_TRUE(wait([&] { return seen_.left() == 100; }));
  ASSERT_TRUE(wait([&] { return script_.hung_up.size() == 90; }));
}

// A peer that drips, so that it never stalls, beside one that waits for the memory that it holds.
class SlowMessageTest : public SessionTest {
 protected:
  void begin(std::uint64_t least_rate) {
    ChannelOptions options;
    options.heartbeat_interval = 10 * kMillisecond;
    options.stall_timeout = 50 * kMillisecond;
    options.least_rate = least_rate;
    options.receive_budget_bytes = 8U << 20U;
    open(options);
    connect("slow");
    hello("slow", 7);
    announce("slow", 6U << 20U);
    ASSERT_TRUE(wait([&] { return channel_->stats().receive_bytes > 0; }));
  }
  void others_wait() {
    connect("waiting");
    hello("waiting", 8);
    announce("waiting", 4U << 20U);
  }
  void announce(const std::string& route, std::uint64_t size) {
    std::vector<std::byte> body;
    append(body, MessageShape{1, 0, {size}});
    say(route, make_frame({.kind = FrameKind::announce, .stream = 1}, body));
  }
  bool drip_until(const std::function<bool()>& done) {
    const std::vector<std::byte> byte(1);
    return wait([&] {
      say("slow", make_frame({.kind = FrameKind::chunk, .stream = 1, .offset = sent_++}, byte));
      return done();
    });
  }
  bool drip_for(Tick time) {
    const Tick begin = executor_.now();
    return drip_until([&] { return executor_.now() - begin > time; });
  }
  std::uint64_t sent_ = 0;
};

TEST_F(SlowMessageTest, MakesWayForThoseWhoWait) {
  begin(60U << 20U);  // 6 MiB in 100 ms
  ASSERT_TRUE(drip_for(300 * kMillisecond));
  EXPECT_EQ(seen_.left(), 0U) << "alone it may take its time";
  others_wait();
  ASSERT_TRUE(drip_until([&] { return seen_.left() == 1; }));
  EXPECT_EQ(seen_.changes.back(), (Recorder::Change{1, PeerChange::left, Reason::late}));
  EXPECT_EQ(seen_.refused(Reason::late), 1U);
  ASSERT_TRUE(wait([&] { return channel_->stats().receive_bytes == 4U << 20U; }));
}

TEST_F(SlowMessageTest, IsLeftTheTimeThatItsSizeTakesAtTheLeastRate) {
  begin(1U << 20U);  // 6 s
  others_wait();
  ASSERT_TRUE(drip_for(300 * kMillisecond));
  EXPECT_EQ(seen_.left(), 0U);
}

// ---- the client's end ----

class ClientSessionTest : public ::testing::Test {
 protected:
  void open(ChannelOptions options = {}) {
    look_for_server(options);
    up();
  }
  void look_for_server(ChannelOptions options) {
    options.instance = 7;
    options.heartbeat_interval = 10 * kMillisecond;  // the first pause before another try
    script_.connected[""] = 1;
    channel_ = make_client_over(std::make_unique<ScriptedLink>(script_), executor_, options);
    seen_.attach(*channel_);
  }
  void up() { script_.event({Link::Event::Kind::up, 1, "script", ""}); }
  void say(const OutFrame& frame) { script_.packet("", {frame.first}); }
  void welcome() {
    say(make_frame({.kind = FrameKind::welcome}, encode(Greeting{1, 1ULL << 30U, 1U << 16U, 16})));
  }
  bool joins(std::size_t times) {
    return wait([&] { return sent(FrameKind::hello) == times; }) && (welcome(), true) &&
           wait([&] { return seen_.joined() == times; });
  }
  std::size_t sent(FrameKind kind) const {
    const auto found = script_.sent.find("");
    if (found == script_.sent.end()) return 0;
    return static_cast<std::size_t>(std::ranges::count_if(
        found->second, [kind](const auto& frame) { return static_cast<FrameKind>(frame.at(6)) == kind; }));
  }
  bool wait(const std::function<bool()>& done) { return executor_.run_until(done, kDeadline); }

  ScriptedLink::Script script_;
  AsioExecutor executor_;
  std::unique_ptr<Channel> channel_;
  Recorder seen_;
};

// Whatever a server sends its clients away for, but the end of the run, they come back.
TEST_F(ClientSessionTest, WhoIsSentAwayKnocksAgain) {
  for (const Reason reason :
       {Reason::late, Reason::disconnected, Reason::limit, Reason::malformed, Reason::key}) {
    script_.sent.clear();
    script_.reconnected = 0;
    seen_ = {};
    open();
    ASSERT_TRUE(joins(1)) << to_string(reason);
    say(make_frame({.kind = FrameKind::goodbye}, encode(Notice{reason, "go"})));
    ASSERT_TRUE(wait([&] { return script_.reconnected == 1; })) << to_string(reason);
    up();
    ASSERT_TRUE(joins(2)) << to_string(reason);
    channel_->close();
  }
}

TEST_F(ClientSessionTest, TheEndOfTheRunIsTheEnd) {
  open();
  ASSERT_TRUE(joins(1));
  say(make_frame({.kind = FrameKind::goodbye}, encode(Notice{Reason::none, "the end"})));
  ASSERT_TRUE(wait([&] { return seen_.left() == 1; }));
  EXPECT_EQ(script_.left, 0);
}

// A server that has forgotten us says so on the same connection, where hello is enough.
TEST_F(ClientSessionTest, WhoIsAskedForHelloSaysIt) {
  open();
  ASSERT_TRUE(joins(1));
  say(make_frame({.kind = FrameKind::refuse}, encode(Notice{Reason::disconnected, "say hello first"})));
  ASSERT_TRUE(joins(2));
  EXPECT_EQ(script_.left, 0);
}

// Something that accepts and hangs up again and again is told of once, and not hurried.
TEST_F(ClientSessionTest, ConnectionsThatComeToNothingAreTriedLessAndLessOften) {
  open();
  for (int i = 1; i <= 3; ++i) {
    script_.event({Link::Event::Kind::bad_handshake, 1, "script", "hung up"});
    ASSERT_TRUE(wait([&] { return script_.reconnected == i; }));
  }
  EXPECT_EQ(seen_.refused(Reason::malformed), 1U);
  EXPECT_EQ(script_.left, 3);
}

// A greeting that fails is of another connection than the one that was joined, which then is no more: whoever
// goes on counting on it would wait for a heartbeat to fail.
TEST_F(ClientSessionTest, AConnectionThatFailsEndsTheConversationBefore) {
  open();
  ASSERT_TRUE(joins(1));
  script_.event({Link::Event::Kind::bad_handshake, 1, "script", "hung up"});
  ASSERT_TRUE(wait([&] { return seen_.left() == 1; }));
  EXPECT_TRUE(channel_->peers().empty());
  ASSERT_TRUE(wait([&] { return script_.reconnected == 1; }));
  up();
  ASSERT_TRUE(joins(2));
}

// A socket that says neither that it failed nor that it is connected is left for another, without a word: the
// server may just not be there.
TEST_F(ClientSessionTest, ASocketThatSaysNothingIsLeft) {
  ChannelOptions options;
  options.heartbeat_timeout = 30 * kMillisecond;
  look_for_server(options);
  ASSERT_TRUE(wait([&] { return script_.reconnected == 2; }));
  EXPECT_EQ(script_.left, 2);
  EXPECT_EQ(seen_.refused(Reason::malformed) + seen_.refused(Reason::disconnected), 0U);
  up();
  ASSERT_TRUE(joins(1));
}

// A credit that waited for the downlink when the conversation ended is not given to the next one.
TEST_F(ClientSessionTest, CreditsAreOfOneConversation) {
  ChannelOptions options;
  options.receive_rate = 20'000;
  open(options);
  ASSERT_TRUE(joins(1));
  const auto announce = [&](std::uint32_t stream) {
    std::vector<std::byte> body;
    append(body, MessageShape{1, 0, {1'000'000}});
    say(make_frame({.kind = FrameKind::announce, .stream = stream}, body));
  };
  announce(1);  // its credit is given, and what it lets in is paid for by fifty seconds
  announce(2);
  ASSERT_TRUE(wait([&] { return sent(FrameKind::grant) == 1 && script_.packets.empty(); }));
  say(make_frame({.kind = FrameKind::refuse}, encode(Notice{Reason::disconnected, "say hello first"})));
  ASSERT_TRUE(joins(2));
  EXPECT_EQ(sent(FrameKind::grant), 1U);
  say(make_frame({.kind = FrameKind::goodbye}, encode(Notice{Reason::late, "go"})));
  ASSERT_TRUE(wait([&] { return script_.reconnected == 1; }));
  up();
  ASSERT_TRUE(joins(3));  // what was not used is forgotten with the connection
  announce(1);
  ASSERT_TRUE(wait([&] { return sent(FrameKind::grant) == 2; }));
  ParsedFrame parsed;
  for (const std::vector<std::byte>& frame : script_.sent[""])
    if (static_cast<FrameKind>(frame.at(6)) == FrameKind::grant) parsed = parse_frame(frame);
  EXPECT_EQ(parsed.frame.stream, 1U);
}

}  // namespace
}  // namespace fedloom::testing
