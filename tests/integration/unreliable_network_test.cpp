// Twenty clients behind a network that delays, cuts, falls silent and lets strangers answer, while clients
// and the server are killed and started again: the run ends with the model of an undisturbed one, and every
// task is counted once. FEDLOOM_CHAOS makes it 200 rounds (`make chaos`).
#include <cstdlib>
#include <set>

#include "tests/integration/federation.hpp"
#include "tests/integration/keyring.hpp"
#include "tests/integration/unreliable_network.hpp"

namespace fedloom::testing {
namespace {

constexpr std::size_t kClients = 20;

std::size_t rounds() { return std::getenv("FEDLOOM_CHAOS") == nullptr ? 12 : 200; }

class UnreliableNetworkTest : public ::testing::Test {
 protected:
  virtual Words server_words() const { return {}; }
  virtual void start_client(std::size_t index, const std::string& network) {
    federation_.start_client(index, network);
  }

  TempFolder folder_;
  // A round in which everybody takes part, lasting as long as it takes: no deadline, and nobody is given up.
  DeployedFederation federation_{folder_, kClients,
                                 set({"rounds=" + std::to_string(rounds()), "strategy=scaffold",
                                      "evaluate.every=100", "checkpoint.every=1", "deploy.heartbeat=100ms",
                                      "deploy.heartbeat_timeout=2s", "deploy.lost_after=1h"})};

  void kill_client(std::size_t index, const std::string& network) {
    federation_.client(index).signal(SIGKILL);
    EXPECT_EQ(federation_.client(index).wait().signal, SIGKILL);
    start_client(index, network);
  }
  void kill_server() {
    federation_.server().signal(SIGKILL);
    ASSERT_EQ(federation_.server().wait().signal, SIGKILL) << "the kill came too late to mean anything";
    federation_.start_server(federation_.endpoint(), server_words() + Words{"--resume"});
  }
  // A kill every other round on average, of the server or of some clients, at drawn rounds; before each some
  // connections break and some fall silent, beside those that the network's own dice say.
  void live_through_it() {
    federation_.start_server("tcp://127.0.0.1:0", server_words());
    UnreliableNetwork network(federation_.endpoint(), Faults{});
    for (std::size_t client = 0; client < kClients; ++client) start_client(client, network.endpoint());
    Random random(1, Stream::sampling, 1);
    std::size_t servers = 0;
    std::size_t clients = 0;
    std::size_t broken = 0;
    std::size_t silent = 0;
    // The last rounds are left alone, so that a kill never meets a server that is done.
    for (std::size_t round = 1; round + 4 < rounds(); round += 1 + random.below(3)) {
      ASSERT_TRUE(federation_.wait_for_rounds(round)) << federation_.server().err();
      broken += network.cut(random.below(3));
      silent += network.silence(1 + random.below(2));
      if (random.bernoulli(0.25)) {
        kill_server();
        ++servers;
      } else {
        for (std::uint64_t dead = 1 + random.below(3); dead > 0; --dead, ++clients)
          kill_client(random.below(kClients), network.endpoint());
      }
      if (HasFatalFailure()) return;
    }
    EXPECT_GT(servers, 0U);
    EXPECT_GT(clients, 0U);
    EXPECT_GT(broken, 0U);
    EXPECT_GT(silent, 0U);
    const Ended ended = federation_.server().wait();
    ASSERT_EQ(ended.code, 0) << ended.err;
    // Whoever was cut off when the server said goodbye waits for the next one, until it is told to stop.
    for (std::size_t client = 0; client < kClients; ++client) {
      federation_.client(client).signal(SIGTERM);
      const Ended left = federation_.client(client).wait();
      EXPECT_TRUE(left.code == 0 || left.code == 130) << left.code << ": " << left.err;
    }
    const RunSummary deployed = read_summary(federation_.out() + "/summary.json");
    const RunSummary simulated = federation_.simulated();
    EXPECT_EQ(deployed.model_hash, simulated.model_hash);
    EXPECT_EQ(deployed.clients_accepted, kClients * rounds());
    EXPECT_EQ(deployed.clients_dropped, 0U);
    EXPECT_EQ(deployed.bytes_up, simulated.bytes_up);
    EXPECT_EQ(deployed.bytes_down, simulated.bytes_down);
    std::multiset<std::uint64_t> everybody;
    for (std::uint64_t client = 0; client < kClients; ++client) everybody.insert(client);
    const auto counted = federation_.accepted();
    ASSERT_EQ(counted.size(), rounds());
    for (const auto& [round, who] : counted) EXPECT_EQ(who, everybody) << "round " << round;
  }
};

// The same with what a fleet of devices is: fedloom-client from a file of its own, and keys on both sides.
class UnreliableNetworkOfDevices : public UnreliableNetworkTest {
 protected:
  Words server_words() const override { return keys_.server_words(); }
  void start_client(std::size_t index, const std::string& network) override {
    const std::string name = "device-" + std::to_string(index);
    const std::string file = folder_.write(
        name + ".yaml", "connect: " + network + "\nclient: " + std::to_string(index) +
                            "\nexperiment: " + kSmallJob + "\ndata: {clients: " + std::to_string(kClients) +
                            "}\nstate: " + name + "-state\nkey: " + keys_.file(index) + "\nserver_key: '" +
                            keys_.server_key() + "'\nheartbeat: 100ms\nheartbeat_timeout: 2s\n");
    federation_.start_process(index, {FEDLOOM_BINARY_DIR "/fedloom-client", file});
  }

  Keyring keys_{folder_, kClients};
};

TEST_F(UnreliableNetworkTest, TwentyClientsEndWithTheUndisturbedModel) { live_through_it(); }
TEST_F(UnreliableNetworkOfDevices, WithKeysEndsWithTheUndisturbedModel) { live_through_it(); }

// It stood still for longer than anybody waits, and goes on: the server has given it up and takes it back.
TEST_F(UnreliableNetworkTest, AClientThatStoodStillIsTakenBack) {
  federation_.start_server("tcp://127.0.0.1:0");
  federation_.start_clients();
  ASSERT_TRUE(federation_.wait_for_rounds(1)) << federation_.server().err();
  federation_.client(3).signal(SIGSTOP);
  ASSERT_TRUE(federation_.wait_for_event("\"name\":\"client 3\",\"detail\":\"disconnected\""));
  federation_.client(3).signal(SIGCONT);
  EXPECT_EQ(federation_.expect_good_end().model_hash, federation_.simulated().model_hash);
}

}  // namespace
}  // namespace fedloom::testing
