// The same code as separate machines would run it: a server and one process per client. Equal to the
// simulation where the law says so, and alive after losses of every kind.
#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.hpp>

#include "core/random.hpp"
#include "tests/integration/federation.hpp"

namespace fedloom::testing {
namespace {

const char* const kAnyPort = "tcp://127.0.0.1:0";
constexpr std::size_t kClients = 3;

void expect_equal(const RunSummary& deployed, const RunSummary& simulated) {
  EXPECT_EQ(deployed.model_hash, simulated.model_hash);
  EXPECT_EQ(deployed.bytes_up, simulated.bytes_up);
  EXPECT_EQ(deployed.bytes_down, simulated.bytes_down);
  EXPECT_EQ(deployed.clients_accepted, simulated.clients_accepted);
  EXPECT_EQ(deployed.clients_dropped, 0U);
  EXPECT_EQ(deployed.final_test_accuracy, simulated.final_test_accuracy);
}

// Nothing may need a heartbeat to be noticed: here none comes in time.
const Words kFew =
    set({"rounds=6", "evaluate.clients=2", "deploy.heartbeat=1h", "deploy.heartbeat_timeout=2h"});
// Long enough that a kill after the first rounds comes well before the end.
const Words kMany =
    set({"rounds=300", "evaluate.every=100", "checkpoint.every=20", "deploy.heartbeat=100ms"});

struct Way {
  const char* name;
  const char* strategy;
  bool ipc;
};

class Deployed : public ::testing::Test {
 protected:
  std::string listen(bool ipc) const { return ipc ? "ipc://" + (folder_ / "socket") : kAnyPort; }
  TempFolder folder_;
};

class DeployedWays : public Deployed, public ::testing::WithParamInterface<Way> {};

TEST_P(DeployedWays, EqualsTheSimulation) {
  DeployedFederation federation(folder_, kClients,
                                kFew + set({std::string("strategy=") + GetParam().strategy}));
  federation.start_server(listen(GetParam().ipc));
  federation.start_clients();
  expect_equal(federation.expect_good_end(), federation.simulated());
}

// Twice: once its connection is seen to break while it trains or between rounds, as it happens.
TEST_P(DeployedWays, AKilledClientComesBackAndTheRunGoesOn) {
  DeployedFederation federation(folder_, kClients,
                                kMany + set({std::string("strategy=") + GetParam().strategy}));
  federation.start_server(listen(GetParam().ipc));
  federation.start_clients();
  for (const std::size_t index : {0U, 2U}) {
    ASSERT_TRUE(federation.wait_for_rounds(10 * (index + 1))) << federation.server().err();
    federation.client(index).signal(SIGKILL);
    EXPECT_EQ(federation.client(index).wait().signal, SIGKILL);
    ASSERT_TRUE(federation.server().running()) << "the kill came too late to mean anything";
    federation.start_client(index);
  }
  expect_equal(federation.expect_good_end(), federation.simulated());
}

TEST_P(DeployedWays, AKilledServerIsResumedWhileClientsWait) {
  DeployedFederation federation(folder_, kClients,
                                kMany + set({std::string("strategy=") + GetParam().strategy}));
  federation.start_server(listen(GetParam().ipc));
  federation.start_clients();
  for (const std::size_t rounds : {30U, 70U}) {
    ASSERT_TRUE(federation.wait_for_rounds(rounds)) << federation.server().err();
    federation.server().signal(SIGKILL);
    ASSERT_EQ(federation.server().wait().signal, SIGKILL) << "the kill came too late to mean anything";
    federation.start_server(federation.endpoint(), {"--resume"});
  }
  expect_equal(federation.expect_good_end(), federation.simulated());
}

INSTANTIATE_TEST_SUITE_P(Ways, DeployedWays,
                         ::testing::Values(Way{"FedAvgTcp", "fedavg", false},
                                           Way{"FedAvgIpc", "fedavg", true},
                                           Way{"ScaffoldTcp", "scaffold", false}),
                         [](const auto& instance) { return instance.param.name; });

TEST_F(Deployed, AnInterruptedServerIsResumedWithTheSameResult) {
  DeployedFederation federation(folder_, kClients, kMany + set({"strategy=scaffold"}));
  federation.start_server(kAnyPort);
  federation.start_clients();
  ASSERT_TRUE(federation.wait_for_rounds(10));
  federation.server().signal(SIGINT);
  EXPECT_EQ(federation.server().wait().code, 130);
  // Clients wait for the server and end with the run.
  for (std::size_t i = 0; i < kClients; ++i) EXPECT_TRUE(federation.client(i).running());
  federation.start_server(federation.endpoint(), {"--resume"});
  expect_equal(federation.expect_good_end(), federation.simulated());
}

// One signal is enough when the round cannot end: a client hangs, and its connection does not.
TEST_F(Deployed, ARoundThatCannotEndIsLeftAfterOneSignal) {
  DeployedFederation federation(folder_, kClients, kMany + set({"deploy.heartbeat_timeout=1h"}));
  federation.start_server(kAnyPort);
  federation.start_clients();
  ASSERT_TRUE(federation.wait_for_rounds(30));
  federation.client(1).signal(SIGSTOP);
  federation.server().signal(SIGTERM);
  const Ended ended = federation.server().wait();
  EXPECT_EQ(ended.code, 130);
  EXPECT_NE(ended.err.find("again to stop now"), std::string::npos) << ended.err;
  for (std::size_t i = 0; i < kClients; ++i) {
    federation.client(i).signal(SIGKILL);
    (void)federation.client(i).wait();
  }
  federation.start_server(kAnyPort, {"--resume"});
  federation.start_clients();
  expect_equal(federation.expect_good_end(), federation.simulated());
}

TEST_F(Deployed, AServerThatWaitsForClientsCanBeInterrupted) {
  DeployedFederation federation(folder_, kClients, kFew);
  federation.start_server(kAnyPort);
  federation.server().signal(SIGINT);
  EXPECT_EQ(federation.server().wait().code, 130);
}

// Each client has nothing but its own file; the simulation splits the joined file by its column of clients.
TEST_F(Deployed, ClientsWithTheirOwnFilesEqualTheNaturalPartition) {
  Random random(1, Stream::sampling, 1);
  const std::string header = "x,y,label,who\n";
  std::string all = header;
  for (std::size_t k = 0; k < kClients; ++k) {
    std::string rows;
    for (std::size_t i = 0; i < 20 + 5 * k; ++i) {
      const std::uint64_t label = random.below(3);
      rows += fmt::format("{},{},{},{}\n", random.normal() + static_cast<double>(label), random.normal(),
                          label, k);
    }
    const std::string folder = folder_ / ("own-" + std::to_string(k));
    std::filesystem::create_directory(folder);
    std::ofstream(folder + "/train.csv") << header << rows;
    all += rows;
  }
  std::ofstream(folder_ / "all.csv") << all;
  std::ofstream(folder_ / "test.csv") << header << "0,0,0,9\n1,0,1,9\n2,0,2,9\n";
  DeployedFederation federation(
      folder_, kClients,
      kFew +
          set({"data={source: {name: csv, train: " + folder_ / "all.csv" + ", test: " + folder_ / "test.csv" +
                   ", test_share: 0, label: label, client: who, classes: 3}, partition: natural}",
               "evaluate.clients=0", "strategy=scaffold"}));
  federation.start_server(kAnyPort);
  for (std::size_t k = 0; k < kClients; ++k)
    federation.start_client(k, "", {"--data", folder_ / ("own-" + std::to_string(k))});
  expect_equal(federation.expect_good_end(), federation.simulated());
}

// A client that stays away longer than deploy.lost_after loses its task; the others go on without it.
TEST_F(Deployed, AClientThatStaysAwayIsLost) {
  DeployedFederation federation(folder_, kClients, kMany + set({"deploy.lost_after=50ms", "rounds=200"}));
  federation.start_server(kAnyPort);
  federation.start_clients();
  ASSERT_TRUE(federation.wait_for_rounds(5));
  federation.client(1).signal(SIGKILL);
  (void)federation.client(1).wait();
  EXPECT_EQ(federation.server().wait().code, 0);
  const RunSummary summary = read_summary(federation.out() + "/summary.json");
  EXPECT_EQ(summary.rounds, 200U);
  EXPECT_EQ(summary.clients_dropped, 1U);
  EXPECT_LT(summary.clients_accepted, 600U);
  EXPECT_GE(summary.clients_accepted, 400U);
}

// ---- who is refused ----

TEST_F(Deployed, WrongPeersAreRefusedWithTheReason) {
  DeployedFederation federation(folder_, kClients, kFew);
  federation.start_server(kAnyPort);

  const Ended outside = finish(federation.client_words(7, federation.endpoint()));
  EXPECT_EQ(outside.code, 2);
  EXPECT_NE(outside.err.find("0 … 2"), std::string::npos) << outside.err;

  // It believes in a larger federation than the server's.
  const Ended larger = finish(federation.client_words(7, federation.endpoint()) + set({"data.clients=9"}));
  EXPECT_EQ(larger.code, 1);
  EXPECT_NE(larger.err.find("client index 7 is outside 0 … 2"), std::string::npos) << larger.err;

  const Ended worker = finish({"worker", "--connect", federation.endpoint(), "--data-dir", "data", "--store",
                               folder_ / "store", "--tasks", "1", "--crew", "1", "--budget", "1000000"});
  EXPECT_EQ(worker.code, 1);
  EXPECT_NE(worker.err.find("this server is for deployed clients"), std::string::npos) << worker.err;

  // Two processes with one index: the later one counts and the earlier one is told.
  federation.start_client(0);
  ASSERT_TRUE(federation.wait_for_event("\"peer_joined\""));
  auto second = start(federation.client_words(0, federation.endpoint()) + Words{"--name", "usurper"});
  ASSERT_TRUE(federation.wait_for_event("usurper"));
  const Ended first = federation.client(0).wait();
  EXPECT_EQ(first.code, 1);
  EXPECT_NE(first.err.find("another process joined as client 0"), std::string::npos) << first.err;
  second->signal(SIGKILL);
  (void)second->wait();

  federation.start_clients();
  expect_equal(federation.expect_good_end(), federation.simulated());
}

TEST_F(Deployed, AClientIsRefusedByASimulation) {
  const std::string out = folder_ / "run";
  const auto run =
      start(Words{"run", kSmallJob, "--quiet", "--out", out, "--transport", "tcp", "--workers", "1"} +
            set({"rounds=1000000", "checkpoint.every=0"}));
  ASSERT_TRUE(wait_for_rounds(out, 1)) << run->err();
  const std::vector<pid_t> workers = run->children();
  ASSERT_EQ(workers.size(), 1U);
  const std::string words = contents("/proc/" + std::to_string(workers[0]) + "/cmdline");
  const std::size_t at = words.find("tcp://");
  ASSERT_NE(at, std::string::npos);
  const Ended client = finish({"client", kSmallJob, "--client", "0", "--connect",
                               std::string(words.c_str() + at), "--state", folder_ / "state"});
  EXPECT_EQ(client.code, 1);
  EXPECT_NE(client.err.find("this server is for workers"), std::string::npos) << client.err;
  EXPECT_TRUE(run->running());
}

TEST_F(Deployed, PooledDataHasNoClientsToServe) {
  const Ended ended = finish(Words{"server", kSmallJob, "--listen", kAnyPort, "--out", folder_ / "server"} +
                             set({"strategy=centralised"}));
  EXPECT_EQ(ended.code, 2);
  EXPECT_NE(ended.err.find("fedloom run"), std::string::npos) << ended.err;
}

// ---- strangers on the port ----

void throw_bytes(const std::string& endpoint, const std::string& bytes) {
  const int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1))));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(sock, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    (void)send(sock, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  close(sock);
}

std::string random_bytes(Random& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.below(256));
  return bytes;
}

TEST_F(Deployed, GarbageOnThePortChangesNothing) {
  DeployedFederation federation(folder_, kClients, kMany);
  federation.start_server(kAnyPort);
  federation.start_clients();
  Random random(1, Stream::sampling, 3);
  const std::string greeting("\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL", 16);
  zmq::context_t context;
  for (std::size_t i = 0; i < 40; ++i) {
    ASSERT_TRUE(federation.wait_for_rounds(2 * i));
    throw_bytes(federation.endpoint(), random_bytes(random, 1 + random.below(20'000)));
    throw_bytes(federation.endpoint(), "GET / HTTP/1.1\r\nHost: fedloom\r\n\r\n");
    throw_bytes(federation.endpoint(), greeting + random_bytes(random, 500));
    // One who speaks ZeroMQ, but not our frames; and one whose frames begin like ours.
    zmq::socket_t stranger(context, zmq::socket_type::dealer);
    stranger.set(zmq::sockopt::linger, 100);
    stranger.connect(federation.endpoint());
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{40}, std::size_t{4000}}) {
      const std::string bytes = random_bytes(random, size);
      stranger.send(zmq::const_buffer(bytes.data(), bytes.size()), zmq::send_flags::dontwait);
    }
  }
  ASSERT_TRUE(federation.wait_for_event("\"refused\"")) << "nothing of it was noticed";
  ASSERT_TRUE(federation.server().running()) << "the garbage came too late to mean anything";
  expect_equal(federation.expect_good_end(), federation.simulated());
}

}  // namespace
}  // namespace fedloom::testing
