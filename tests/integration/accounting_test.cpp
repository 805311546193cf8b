// Bytes that the program reports against bytes that a relay between its processes saw, and against each
// other.
#include <atomic>
#include <thread>

#include "tests/integration/federation.hpp"
#include "tests/transport/relay.hpp"

namespace fedloom::testing {
namespace {

/// The relay on a thread of its own.
class Relay {
 public:
  explicit Relay(const std::string& endpoint)
      : relay_(static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1)))),
        endpoint_(relay_.endpoint()),
        thread_([this](const std::stop_token& stop) { turn(stop); }) {}

  const std::string& endpoint() const { return endpoint_; }
  /// Breaks every connection once.
  void cut() { cut_ = true; }
  struct Seen {
    std::uint64_t to_server = 0;
    std::uint64_t to_client = 0;
  };
  /// Ends the relay.
  Seen finish() {
    thread_.request_stop();
    thread_.join();
    return {relay_.to_server(), relay_.to_client()};
  }

 private:
  void turn(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      relay_.poll();
      if (cut_.exchange(false)) relay_.cut();
      const timespec pause{0, 100'000};
      nanosleep(&pause, nullptr);
    }
    relay_.poll();
  }

  CountingRelay relay_;
  std::string endpoint_;
  std::atomic<bool> cut_ = false;
  std::jthread thread_;
};

class Accounting : public ::testing::TestWithParam<std::string> {
 protected:
  TempFolder folder_;
};

// To the byte. Without heartbeats: one that is answered while its client leaves is counted and never read.
TEST_P(Accounting, SocketBytesAreWhatTheRelaySaw) {
  DeployedFederation federation(
      folder_, 4, set({"rounds=12", "evaluate.clients=3", "deploy.heartbeat=20s", "strategy=" + GetParam()}));
  federation.start_server("tcp://127.0.0.1:0");
  Relay relay(federation.endpoint());
  federation.start_clients(relay.endpoint());
  const RunSummary summary = federation.expect_good_end();
  const Relay::Seen seen = relay.finish();
  EXPECT_EQ(summary.socket_bytes_received, seen.to_server);
  EXPECT_EQ(summary.socket_bytes_sent, seen.to_client);
  // Deployed bytes are the tasks' own; sockets also carry greetings, heartbeats, framing and evaluations.
  EXPECT_GT(summary.socket_bytes_received, summary.bytes_up);
  EXPECT_GT(summary.socket_bytes_sent, summary.bytes_down);
  EXPECT_LT(summary.socket_bytes_received, summary.bytes_up * 5 / 4);
  EXPECT_LT(summary.socket_bytes_sent, summary.bytes_down * 5 / 4);
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
