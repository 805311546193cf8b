// Bytes that the program reports against bytes that a relay between its processes saw, and against each
// other.
#include <sstream>

#include <nlohmann/json.hpp>

#include "tests/integration/federation.hpp"
#include "tests/integration/relay_thread.hpp"
#include "transport/codec.hpp"
#include "transport/zmq_link.hpp"

namespace fedloom::testing {
namespace {

class Accounting : public ::testing::TestWithParam<std::string> {
 protected:
  TempFolder folder_;
};

/// What the federation's own log says that clients moved, and how often one was evaluated.
struct Deployed {
  std::uint64_t up = 0;
  std::uint64_t down = 0;
  std::uint64_t evaluations = 0;
  std::uint64_t parameters = 0;
};

Deployed deployed_bytes(const std::string& folder) {
  Deployed deployed;
  std::istringstream lines(contents(folder + "/events.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const auto event = nlohmann::json::parse(line);
    const std::string what = event.at("event");
    if (what == "run_started") deployed.parameters = event.at("parameters");
    if (what != "window_closed" && what != "clients_evaluated") continue;
    deployed.up += event.at("bytes_up").get<std::uint64_t>();
    deployed.down += event.at("bytes_down").get<std::uint64_t>();
    if (what == "clients_evaluated") deployed.evaluations += event.at("clients").size();
  }
  return deployed;
}

/// What ZeroMQ puts before messages of this size.
std::uint64_t framing(std::uint64_t messages, std::uint64_t size) { return messages * zmtp_part_bytes(size); }

// To the byte. Without heartbeats: one that is answered while its client leaves is counted and never read.
TEST_P(Accounting, SocketBytesAreWhatTheRelaySaw) {
  std::vector<Deployed> deployed;
  std::vector<Relay::Seen> seen;
  for (const char* evaluated : {"0", "3"}) {
    const TempFolder folder;
    DeployedFederation federation(folder, 4,
                                  set({"rounds=12", std::string("evaluate.clients=") + evaluated,
                                       "deploy.heartbeat=20s", "strategy=" + GetParam()}));
    federation.start_server("tcp://127.0.0.1:0");
    Relay relay(federation.endpoint());
    federation.start_clients(relay.endpoint());
    const RunSummary summary = federation.expect_good_end();
    seen.push_back(relay.finish());
    EXPECT_EQ(summary.socket_bytes_received, seen.back().to_server);
    EXPECT_EQ(summary.socket_bytes_sent, seen.back().to_client);
    deployed.push_back(deployed_bytes(federation.out()));
    // Sockets carry greetings and framing as well.
    EXPECT_GT(summary.socket_bytes_received, deployed.back().up);
    EXPECT_GT(summary.socket_bytes_sent, deployed.back().down);
  }
  // Both runs greet and train alike: what the second moved more is its evaluations, before the first round
  // and after each, and the last model, which no task needed.
  const std::uint64_t evaluations = deployed[1].evaluations;
  ASSERT_EQ(evaluations, 3U * 13U);
  EXPECT_EQ(deployed[1].up - deployed[0].up, evaluations * deployed_evaluation_answer_size());
  EXPECT_EQ(deployed[1].down - deployed[0].down,
            evaluations * deployed_evaluation_request_size() +
                3 * deployed_shared_size("model", deployed[1].parameters));
  EXPECT_EQ(seen[1].to_server - seen[0].to_server,
            deployed[1].up - deployed[0].up + framing(evaluations, deployed_evaluation_answer_size()));
  EXPECT_EQ(seen[1].to_client - seen[0].to_client,
            deployed[1].down - deployed[0].down + framing(evaluations, deployed_evaluation_request_size()) +
                framing(3, deployed_shared_size("model", deployed[1].parameters)));
}

INSTANTIATE_TEST_SUITE_P(Strategies, Accounting, ::testing::Values("fedavg", "scaffold"),
                         [](const auto& instance) { return instance.param; });

// A model of which every message is many chunks.
TEST_F(Accounting, LargeModelsReconcileToo) {
  DeployedFederation federation(folder_, 2,
                                set({"rounds=2", "model={name: mlp, hidden: [2000, 400]}", "train.steps=1",
                                     "deploy.heartbeat=1h", "deploy.heartbeat_timeout=2h"}));
  federation.start_server("tcp://127.0.0.1:0");
  Relay relay(federation.endpoint());
  federation.start_clients(relay.endpoint());
  const RunSummary summary = federation.expect_good_end();
  const Relay::Seen seen = relay.finish();
  EXPECT_GT(summary.bytes_up, 12'000'000U);
  EXPECT_EQ(summary.socket_bytes_received, seen.to_server);
  EXPECT_EQ(summary.socket_bytes_sent, seen.to_client);
  EXPECT_EQ(summary.model_hash, federation.simulated().model_hash);
}

// Models that go by patches: every client makes the server's model of its own, to the same bits.
TEST_F(Accounting, PatchesOfLoraReconcileToo) {
  for (const char* strategy : {"flora", "fedex_lora", "rolora"}) {
    SCOPED_TRACE(strategy);
    const TempFolder folder;
    DeployedFederation federation(
        folder, 3,
        set({"rounds=6", std::string("strategy=") + strategy, "model={name: mlp, hidden: [24]}",
             "adapter={name: lora, targets: [fc1], rank: 1, train: [fc2]}", "deploy.heartbeat=1h",
             "deploy.heartbeat_timeout=2h"}));
    federation.start_server("tcp://127.0.0.1:0");
    Relay relay(federation.endpoint());
    federation.start_clients(relay.endpoint());
    const RunSummary summary = federation.expect_good_end();
    const Relay::Seen seen = relay.finish();
    EXPECT_EQ(summary.socket_bytes_received, seen.to_server);
    EXPECT_EQ(summary.socket_bytes_sent, seen.to_client);
    const Deployed deployed = deployed_bytes(federation.out());
    EXPECT_EQ(summary.bytes_down, deployed.down);
    EXPECT_GT(seen.to_client, deployed.down);
    EXPECT_GT(seen.to_server, deployed.up);
    const RunSummary simulated = federation.simulated();
    EXPECT_EQ(summary.model_hash, simulated.model_hash);
    EXPECT_EQ(summary.bytes_up, simulated.bytes_up);
    EXPECT_EQ(summary.bytes_down, simulated.bytes_down);
  }
}

// A network that breaks every connection, again and again.
TEST_F(Accounting, CutConnectionsChangeNoResult) {
  DeployedFederation federation(
      folder_, 3, set({"rounds=120", "evaluate.every=40", "deploy.heartbeat=50ms", "strategy=scaffold"}));
  federation.start_server("tcp://127.0.0.1:0");
  Relay relay(federation.endpoint());
  federation.start_clients(relay.endpoint());
  for (std::size_t i = 1; i <= 5; ++i) {
    ASSERT_TRUE(federation.wait_for_rounds(10 * i)) << federation.server().err();
    relay.cut();
  }
  const RunSummary summary = federation.expect_good_end();
  EXPECT_GE(occurrences(federation.out() + "/run.jsonl", "\"peer_left\""), 6U);
  const RunSummary simulated = federation.simulated();
  EXPECT_EQ(summary.model_hash, simulated.model_hash);
  EXPECT_EQ(summary.bytes_up, simulated.bytes_up);
  EXPECT_EQ(summary.bytes_down, simulated.bytes_down);
}

// The same experiment with sums made by workers, and with every update sent: deployed bytes do not care,
// sockets do.
TEST_F(Accounting, DeployedBytesDoNotDependOnTheMachine) {
  const Words job =
      set({"rounds=5", "data.clients=40", "pacer.clients_per_round=40"}) + Words{"--workers", "1"};
  std::vector<RunSummary> runs;
  for (const char* aggregate : {"worker", "server"})
    for (const char* transport : {"tcp", "ipc"}) {
      const std::string out = folder_ / (std::string(aggregate) + transport);
      (void)run_job(out, job + set({std::string("runtime.aggregate=") + aggregate,
                                    std::string("runtime.transport=") + transport}));
      runs.push_back(read_summary(out + "/summary.json"));
      EXPECT_EQ(runs.back().bytes_up, runs.front().bytes_up);
      EXPECT_EQ(runs.back().bytes_down, runs.front().bytes_down);
      EXPECT_EQ(runs.back().client_trainings, 200U);
      // The model went to the one worker once a round, not to forty clients.
      EXPECT_LT(runs.back().socket_bytes_sent, runs.back().bytes_down / 4);
    }
  EXPECT_LT(runs[0].socket_bytes_received, runs[0].bytes_up / 4) << "one sum a round, not forty updates";
  EXPECT_GT(runs[2].socket_bytes_received, runs[2].bytes_up);
  EXPECT_LT(runs[2].socket_bytes_received, runs[2].bytes_up * 11 / 10);
}

}  // namespace
}  // namespace fedloom::testing
