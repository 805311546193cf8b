// The lines of a deployed client, in virtual time.
#include "edge/client_console.hpp"

#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "core/simulated_executor.hpp"

namespace fedloom::testing {
namespace {

using Lines = std::vector<std::string>;

class ClientConsoleTest : public ::testing::Test {
 protected:
  Lines take() { return std::exchange(lines, {}); }
  void pass(Tick time) {
    executor.after(time, [this] { executor.stop(); });
    executor.run();
  }

  SimulatedExecutor executor;
  Lines lines;
  std::string why;
  ClientConsole console{executor, "tcp://there:1",
                        [this](std::string_view line) { lines.emplace_back(line); }, [this] { return why; }};
};

TEST_F(ClientConsoleTest, SaysEveryFewSecondsThatNobodyIsThere) {
  console.connecting();
  EXPECT_EQ(take(), Lines{"connecting to tcp://there:1"});
  pass(4 * kSecond);
  EXPECT_EQ(take(), Lines{});
  why = "\"there\" has no address";
  pass(2 * kSecond);
  EXPECT_EQ(take(), Lines{"still no server at tcp://there:1: \"there\" has no address"});
  why.clear();
  pass(5 * kSecond);
  EXPECT_EQ(take(), Lines{"still no server at tcp://there:1"});
  console.joined(3, 600);
  pass(60 * kSecond);
  EXPECT_EQ(take(), Lines{"joined as client 3 with 600 examples"});
  console.connecting();  // lost
  pass(6 * kSecond);
  EXPECT_EQ(take(), (Lines{"connecting to tcp://there:1", "still no server at tcp://there:1"}));
}

TEST_F(ClientConsoleTest, AResterDoesNotWaitForAServer) {
  console.connecting();
  console.resting("the device is on battery");
  pass(60 * kSecond);
  EXPECT_EQ(take(), (Lines{"connecting to tcp://there:1", "resting: the device is on battery"}));
}

TEST_F(ClientConsoleTest, SaysWhatItTrained) {
  Task task;
  task.window = 7;
  Update update;
  update.examples = 600;
  update.loss_sum = 900;
  update.loss_count = 1200;
  console.trained(task, update, 1500 * kMillisecond);
  update.loss_count = 0;
  console.trained(task, update, 0);
  console.ended("the run is complete");
  EXPECT_EQ(take(), (Lines{"round 7: 600 examples, loss 0.7500, 1.5 s", "round 7: 600 examples, 0.0 s",
                           "the end: the run is complete; trained 2 times"}));
}

TEST(WhyUnreachable, KnowsWhatTheSystemKnows) {
  EXPECT_EQ(why_unreachable("tcp://127.0.0.1:9"), "");
  EXPECT_EQ(why_unreachable("tcp://[::1]:9"), "");
  EXPECT_EQ(why_unreachable("ipc:///nowhere/socket"), "there is no such socket");
  // RFC 6761: this name never has an address.
  EXPECT_NE(why_unreachable("tcp://nobody.invalid:9").find("\"nobody.invalid\" has no address"),
            std::string::npos);
}

// The look hangs until the test lets it go, as a resolver does whose servers are silent.
TEST(ReachabilityCheck, NeverWaitsForTheResolver) {
  std::promise<void> answered;
  ReachabilityCheck check("tcp://there:1",
                          [answer = answered.get_future().share()](const std::string& endpoint) {
                            answer.wait();
                            return "nothing known of " + endpoint;
                          });
  for (int i = 0; i < 3; ++i) EXPECT_EQ(check.latest(), "");
  answered.set_value();
  while (check.latest().empty()) std::this_thread::yield();
  EXPECT_EQ(check.latest(), "nothing known of tcp://there:1");
}

TEST(ReachabilityCheck, WhatIsNoEndpointIsAnothersToSay) {
  const auto looked = std::make_shared<std::promise<void>>();
  ReachabilityCheck check("tcp://there:1", [looked](const std::string&) -> std::string {
    looked->set_value();
    throw std::runtime_error("no endpoint");
  });
  EXPECT_EQ(check.latest(), "");
  looked->get_future().wait();
}

}  // namespace
}  // namespace fedloom::testing
