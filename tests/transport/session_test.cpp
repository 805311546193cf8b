// What a server's channel makes of connections that do as they like, without a network: a script says what
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
    options.instance = 1;
    options.heartbeat_interval = 3600 * kSecond;
    options.heartbeat_timeout = 2 * options.heartbeat_interval;
    channel_ = make_server_over(std::make_unique<ScriptedLink>(script_), executor_, options);
    seen_.attach(*channel_);
  }
  void connect(const std::string& route) {
    script_.connected[route] = ++descriptor_;
    script_.event({Link::Event::Kind::up, descriptor_, "script", ""});
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

}  // namespace
}  // namespace fedloom::testing
