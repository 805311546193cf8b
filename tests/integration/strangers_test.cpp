// Many connections of strangers, who say nothing or garbage, on a server that may open few: the honest
// clients' federation goes on, checkpoints are written, the model is the simulation's, and refusals have
// their reason.
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/open_files.hpp"
#include "tests/integration/federation.hpp"

namespace fedloom::testing {
namespace {

constexpr std::size_t kClients = 3;

// They stay connected while this lives.
class Strangers {
 public:
  /// endpoint: "tcp://127.0.0.1:PORT". Every other one talks.
  Strangers(const std::string& endpoint, std::size_t count) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1))));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
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

TEST(StrangersAtTheDoor, DoNotStopAFederation) {
  claim_open_files();
  TempFolder folder;
  DeployedFederation federation(folder, kClients,
                                set({"rounds=400", "checkpoint.every=5", "evaluate.every=100"}));
  // 600 files, of which the server keeps 256 for itself.
  federation.start_server("tcp://127.0.0.1:0", {}, {"/bin/sh", "-c", "ulimit -n 600; exec \"$0\" \"$@\""});
  federation.start_clients();
  ASSERT_TRUE(federation.wait_for_rounds(5));
  const Strangers strangers(federation.endpoint(), 1000);
  EXPECT_EQ(strangers.count(), 1000U);
  EXPECT_TRUE(federation.wait_for_event("wants keys, and we have none"));
  const RunSummary deployed = federation.expect_good_end();
  EXPECT_EQ(deployed.model_hash, federation.simulated().model_hash);
  // 344 connections of 25 kB are 9 MB; the rest is the program.
  EXPECT_LT(deployed.peak_rss_bytes.at("server"), 200'000'000U);
}

}  // namespace
}  // namespace fedloom::testing
