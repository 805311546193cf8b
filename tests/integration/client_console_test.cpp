// What `fedloom client` tells the person who started it, and how it goes when that person wants it to.
#include <csignal>

#include "tests/integration/federation.hpp"

namespace fedloom::testing {
namespace {

const char* const kAnyPort = "tcp://127.0.0.1:0";

class ClientConsoles : public ::testing::Test {
 protected:
  TempFolder folder_;
};

TEST_F(ClientConsoles, TellsOfTheServerTheRoundsAndTheEnd) {
  DeployedFederation federation(folder_, 2, set({"rounds=3"}));
  federation.start_server(kAnyPort);
  federation.start_client(0);
  federation.start_client(1, "", {"--quiet"});
  federation.expect_good_end();
  const std::string said = federation.client(0).err();
  std::size_t at = 0;
  for (const std::string& line :
       {"connecting to " + federation.endpoint() + "\n", std::string("joined as client 0 with "),
        std::string("\nround 1: "), std::string(" examples, loss "), std::string("\nround 2: "),
        std::string("\nround 3: "), std::string("\nthe end: the run is complete")}) {
    at = said.find(line, at);
    ASSERT_NE(at, std::string::npos) << line << " is not, or not in its place, in\n" << said;
  }
  EXPECT_EQ(federation.client(1).err(), "");
}

class StoppedClient : public ClientConsoles, public ::testing::WithParamInterface<int> {};

// The others go on; the one that went is not waited for.
TEST_P(StoppedClient, SaysGoodbye) {
  DeployedFederation federation(folder_, 2, set({"rounds=1000000", "checkpoint.every=0"}));
  federation.start_server(kAnyPort);
  federation.start_clients();
  ASSERT_TRUE(federation.wait_for_rounds(2)) << federation.server().err();
  federation.client(0).signal(GetParam());
  EXPECT_EQ(federation.client(0).wait().code, 130);
  EXPECT_TRUE(federation.wait_for_event("stopped by a signal")) << "the server heard of it";
  EXPECT_TRUE(federation.server().running());
}

// It can be told to go when nobody is there, and while it trains.
TEST_P(StoppedClient, DoesNotWait) {
  DeployedFederation federation(folder_, 2, set({"train.epochs=100000000"}));
  const std::string nobody = "ipc://" + folder_ / "socket";
  federation.start_client(0, nobody);
  ASSERT_NE(federation.client(0).wait_for_line("connecting to "), "");
  federation.client(0).signal(GetParam());
  EXPECT_EQ(federation.client(0).wait().code, 130);

  federation.start_server(kAnyPort);
  federation.start_clients();
  ASSERT_TRUE(eventually([&] { return occurrences(federation.out() + "/run.jsonl", "peer_joined") == 2; }));
  ASSERT_NE(federation.client(0).wait_for_line("joined as client"), "");
  federation.client(0).signal(GetParam());
  EXPECT_EQ(federation.client(0).wait().code, 130);
}

INSTANTIATE_TEST_SUITE_P(Signals, StoppedClient, ::testing::Values(SIGINT, SIGTERM),
                         [](const auto& instance) { return instance.param == SIGINT ? "Int" : "Term"; });

}  // namespace
}  // namespace fedloom::testing
