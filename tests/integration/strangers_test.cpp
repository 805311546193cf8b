// Strangers on the port of a server, with keys and without: connections that say nothing or garbage, on a
// server that may open few; claims of gigabytes; what somebody else said, replayed. The honest clients'
// federation goes on, checkpoints are written, the model is the simulation's, refusals have their reason.
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/open_files.hpp"
#include "edge/key_files.hpp"
#include "tests/integration/federation.hpp"
#include "tests/integration/keyring.hpp"
#include "tests/integration/relay_thread.hpp"
#include "tests/transport/raw_peer.hpp"
#include "transport/zmq_link.hpp"

namespace fedloom::testing {
namespace {

constexpr std::size_t kClients = 3;

sockaddr_in address_of(const std::string& endpoint) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1))));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// They stay connected while this lives.
class Strangers {
 public:
  /// endpoint: "tcp://127.0.0.1:PORT". Every other one talks.
  Strangers(const std::string& endpoint, std::size_t count) {
    const sockaddr_in address = address_of(endpoint);
    // A greeting of ZMTP and then what is none.
    const std::string garbage = std::string("\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL", 16) + std::string(200, 'Z');
    for (std::size_t i = 0; i < count; ++i) {
      const int stranger = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (stranger < 0) continue;
      (void)!::connect(stranger, reinterpret_cast<const sockaddr*>(&address), sizeof address);
      if (i % 2 == 0) (void)!::send(stranger, garbage.data(), garbage.size(), MSG_NOSIGNAL);
      sockets_.push_back(stranger);
    }
  }
  ~Strangers() {
    for (const int stranger : sockets_) ::close(stranger);
  }
  Strangers(const Strangers&) = delete;
  Strangers& operator=(const Strangers&) = delete;

  std::size_t count() const { return sockets_.size(); }

 private:
  std::vector<int> sockets_;
};

// Says what another said. What comes before the handshake's answers is said before them, as ZeroMQ takes no
// handshake that does not wait for its turns.
class Replay {
 public:
  Replay(const std::string& endpoint, const std::string& said, bool curve)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval patience{60, 0};  // for who is hung up on without a word
    (void)::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const sockaddr_in address = address_of(endpoint);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    constexpr std::uint64_t kGreeting = 64;
    // CURVE: HELLO of 200 bytes is answered by WELCOME of 168. What INITIATE says of it is another's cookie.
    const std::size_t first = curve ? kGreeting + 2 + 200 : kZmtpHandshakeBytes;
    const std::size_t answer = curve ? kGreeting + 2 + 168 : kZmtpHandshakeBytes;
    say(said.substr(0, kGreeting));
    hear(kGreeting);
    say(said.substr(kGreeting, first - kGreeting));
    hear(answer - kGreeting);
    say(said.substr(first));
  }
  ~Replay() { ::close(socket_); }
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

 private:
  void say(const std::string& bytes) const {
    EXPECT_EQ(::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  void hear(std::size_t size) const {
    std::string bytes(size, ' ');
    EXPECT_EQ(::recv(socket_, bytes.data(), size, MSG_WAITALL), static_cast<ssize_t>(size));
  }
  int socket_;
};

class StrangersAtTheDoor : public ::testing::TestWithParam<const char*> {
 protected:
  static bool has_keys() { return GetParam() == std::string("keys"); }
  void start_server(const Words& under = {}) {
    federation_.start_server("tcp://127.0.0.1:0", has_keys() ? keys_.server_words() : Words{}, under);
  }
  void start_client(std::size_t client, const std::string& connect = "") {
    federation_.start_client(client, connect, has_keys() ? keys_.client_words(client) : Words{});
  }
  void start_clients() {
    for (std::size_t client = 0; client < kClients; ++client) start_client(client);
  }

  TempFolder folder_;
  Keyring keys_{folder_, kClients};
  DeployedFederation federation_{folder_, kClients,
                                 set({"rounds=400", "checkpoint.every=5", "evaluate.every=100"})};
};

TEST_P(StrangersAtTheDoor, DoNotStopAFederation) {
  claim_open_files();
  // 600 files, of which the server keeps 256 for itself, and of the others a quarter is for who is silent.
  start_server({"/bin/sh", "-c", "ulimit -n 600; exec \"$0\" \"$@\""});
  start_clients();
  ASSERT_TRUE(federation_.wait_for_rounds(5));
  const Strangers strangers(federation_.endpoint(), 1000);
  EXPECT_EQ(strangers.count(), 1000U);
  EXPECT_TRUE(
      federation_.wait_for_event(has_keys() ? "has no keys, and we have" : "wants keys, and we have none"));
  EXPECT_TRUE(federation_.wait_for_event("connections have said no hello"));
  const RunSummary deployed = federation_.expect_good_end();
  EXPECT_EQ(deployed.model_hash, federation_.simulated().model_hash);
  // 344 connections of 25 kB are 9 MB; the rest is the program.
  EXPECT_LT(deployed.peak_rss_bytes.at("server"), 200'000'000U);
}

// A peer that is let in and says that ten gigabytes are coming, three times. No message of a client is that
// large, so no memory is asked for.
TEST_P(StrangersAtTheDoor, AClaimOfTenGigabytesIsRefused) {
  start_server();
  start_clients();
  ASSERT_TRUE(federation_.wait_for_rounds(5));
  federation_.client(2).signal(SIGSTOP);  // the run must not be over before all this
  RawPeer peer(zmq::socket_type::dealer);
  if (has_keys()) peer.lock(read_key_file(keys_.file(0)), keys_.server_key());
  peer.connect(federation_.endpoint());
  peer.hello();
  std::vector<std::byte> body;
  append(body, MessageShape{1, 0, {10'000'000'000}});
  for (std::uint32_t i = 1; i <= 3; ++i)
    peer.send(make_frame({.kind = FrameKind::announce, .stream = i}, body));
  EXPECT_TRUE(
      eventually([&] { return occurrences(federation_.out() + "/run.jsonl", "a message above the ") == 3; }));
  federation_.client(2).signal(SIGCONT);
  const RunSummary deployed = federation_.expect_good_end();
  EXPECT_EQ(deployed.model_hash, federation_.simulated().model_hash);
  EXPECT_LT(deployed.peak_rss_bytes.at("server"), 200'000'000U);
}

// What client 0 said in five rounds, once more over a connection of somebody else's. Without keys the words
// are understood, and are those of a client that begins again with tasks that have ended; with keys they mean
// nothing to the keys of another connection.
TEST_P(StrangersAtTheDoor, ReplayedFramesCountForNothing) {
  start_server();
  auto relay = std::make_unique<Relay>(federation_.endpoint(), true);
  start_client(0, relay->endpoint());
  start_client(1);
  start_client(2);
  ASSERT_TRUE(federation_.wait_for_rounds(5));
  federation_.client(2).signal(SIGSTOP);
  federation_.client(0).signal(SIGKILL);
  EXPECT_EQ(federation_.client(0).wait().signal, SIGKILL);
  const std::string said = relay->finish().kept_to_server;
  relay.reset();
  ASSERT_GT(said.size(), 1000U);
  const Replay replay(federation_.endpoint(), said, has_keys());
  EXPECT_TRUE(federation_.wait_for_event(has_keys() ? "has another key than it should" : "\"unknown_task\""));
  start_client(0);
  federation_.client(2).signal(SIGCONT);
  const RunSummary deployed = federation_.expect_good_end();
  for (const auto& [round, who] : federation_.accepted())
    EXPECT_EQ(std::set<std::uint64_t>(who.begin(), who.end()).size(), who.size()) << "round " << round;
  // Without keys whoever says that it is client 0 has its place until it is put out, and loses tasks with it.
  if (has_keys()) {
    EXPECT_EQ(deployed.model_hash, federation_.simulated().model_hash);
  }
}

INSTANTIATE_TEST_SUITE_P(Doors, StrangersAtTheDoor, ::testing::Values("open", "keys"),
                         [](const auto& param) { return std::string(param.param); });

}  // namespace
}  // namespace fedloom::testing
