// A deployed federation with keys, made by the program as a user makes them: the same model as the
// simulation, wrong keys turned away while the others go on, a revoked client dropped and let in again.
#include <algorithm>
#include <sstream>

#include "tests/integration/federation.hpp"
#include "tests/integration/keyring.hpp"
#include "tests/integration/relay_thread.hpp"

namespace fedloom::testing {
namespace {

constexpr std::size_t kClients = 3;
const char* const kAnyPort = "tcp://127.0.0.1:0";
const Words kLong = set({"rounds=300", "evaluate.every=100", "deploy.heartbeat=50ms",
                         "deploy.heartbeat_timeout=1h", "deploy.lost_after=1h"});

class Keyed : public ::testing::Test {
 protected:
  void start_all(DeployedFederation& federation) const {
    federation.start_server(kAnyPort, keys_.server_words());
    for (std::size_t i = 0; i < kClients; ++i) federation.start_client(i, "", keys_.client_words(i));
  }

  TempFolder folder_;
  Keyring keys_{folder_, kClients};
};

TEST_F(Keyed, EqualsTheSimulation) {
  DeployedFederation federation(folder_, kClients, set({"rounds=6", "strategy=scaffold"}));
  start_all(federation);
  const RunSummary deployed = federation.expect_good_end();
  const RunSummary simulated = federation.simulated();
  EXPECT_EQ(deployed.model_hash, simulated.model_hash);
  EXPECT_EQ(deployed.bytes_up, simulated.bytes_up)
      << "what is counted is what our messages say, not what hides them";
  EXPECT_EQ(deployed.clients_dropped, 0U);
}

// What a network sees of a run. A model that begins at zero is, after one round of one client, what that
// client sent. With keys neither it nor a word of the experiment passes; without keys both do, so the search
// is a good one.
TEST_F(Keyed, ACaptureShowsNoParameters) {
  const auto capture = [&](bool keys) {
    const TempFolder folder;
    DeployedFederation federation(folder, 1, set({"rounds=1"}));
    federation.start_server(kAnyPort, keys ? keys_.server_words() : Words{});
    Relay relay(federation.endpoint(), true);
    federation.start_client(0, relay.endpoint(), keys ? keys_.client_words(0) : Words{});
    (void)federation.expect_good_end();
    const std::string model = contents(federation.out() + "/model.safetensors");
    const std::string values = model.substr(model.size() - 160, 16);  // four of the last ones
    EXPECT_NE(values, std::string(16, '\0'));
    const std::string seen = relay.finish().kept;
    return std::pair(seen.find(values) != std::string::npos, seen.find("strategy") != std::string::npos);
  };
  EXPECT_EQ(capture(true), std::pair(false, false));
  EXPECT_EQ(capture(false), std::pair(true, true));
}

// A stranger, somebody without a key, and client 1 who says that it is client 0.
TEST_F(Keyed, OthersAreTurnedAwayAndHurtNobody) {
  const std::size_t unknown = keys_.add();
  DeployedFederation federation(folder_, kClients, kLong);
  start_all(federation);
  ASSERT_TRUE(federation.wait_for_rounds(5));
  federation.client(2).signal(SIGSTOP);  // the round waits for it, so the run is not over before all this
  const auto stranger =
      start(federation.client_words(0, federation.endpoint()) + keys_.client_words(unknown));
  const auto nobody = start(federation.client_words(0, federation.endpoint()));
  const auto liar = start(federation.client_words(0, federation.endpoint()) + keys_.client_words(1));
  EXPECT_TRUE(federation.wait_for_event("is not on the list of clients"));
  EXPECT_TRUE(federation.wait_for_event("has no keys, and we have"));
  EXPECT_TRUE(federation.wait_for_event("said it was client 0"));
  const Ended told = liar->wait();
  EXPECT_EQ(told.code, 1);
  EXPECT_NE(told.err.find("this key is not that of client 0"), std::string::npos) << told.err;
  for (const auto& process : {stranger.get(), nobody.get()}) process->signal(SIGTERM);
  EXPECT_EQ(stranger->wait().code, 130);
  EXPECT_EQ(nobody->wait().code, 130);
  federation.client(2).signal(SIGCONT);
  const RunSummary deployed = federation.expect_good_end();
  EXPECT_EQ(deployed.model_hash, federation.simulated().model_hash);
}

// The round is held by client 2 while client 1 is revoked and added again; from the next round on it takes
// part.
TEST_F(Keyed, ARevokedClientIsDroppedAndOneThatIsAddedLetIn) {
  DeployedFederation federation(folder_, kClients, kLong);
  start_all(federation);
  ASSERT_TRUE(federation.wait_for_rounds(5));
  federation.client(2).signal(SIGSTOP);
  keys_.allow({0, 2});
  EXPECT_TRUE(federation.wait_for_event("is not on the list of clients any more"));
  const std::string log = federation.out() + "/run.jsonl";
  const std::size_t joined = occurrences(log, "\"event\":\"peer_joined\"");
  keys_.allow({0, 1, 2});
  // The client has been trying all the time.
  EXPECT_TRUE(eventually([&] { return occurrences(log, "\"event\":\"peer_joined\"") > joined; }));
  ASSERT_TRUE(federation.server().running());
  federation.client(2).signal(SIGCONT);
  (void)federation.expect_good_end();
  std::size_t accepted = 0;
  std::istringstream lines(contents(federation.out() + "/events.jsonl"));
  for (std::string line; std::getline(lines, line);)
    if (line.find("\"event\":\"window_closed\",\"window\":300,") != std::string::npos)
      accepted += line.find("\"accepted\":3") != std::string::npos ? 1 : 0;
  EXPECT_EQ(accepted, 1U) << "all three took part in the last round";
}

// It holds a task that it will never end, and would be waited for for an hour if it were merely away.
TEST_F(Keyed, ARevokedClientIsNotWaitedFor) {
  DeployedFederation federation(folder_, kClients, kLong);
  start_all(federation);
  ASSERT_TRUE(federation.wait_for_rounds(5));
  federation.client(1).signal(SIGSTOP);
  keys_.allow({0, 2});
  EXPECT_EQ(federation.server().wait().code, 0) << federation.server().err();
  EXPECT_GE(occurrences(federation.out() + "/events.jsonl", "\"verdict\":\"lost\""), 1U);
  federation.client(1).signal(SIGCONT);
  federation.client(1).signal(SIGTERM);
}

TEST_F(Keyed, AnOpenServerWithoutKeysIsRefused) {
  const Ended ended = finish({"server", kSmallJob, "--listen", "tcp://0.0.0.0:0", "--out", folder_ / "open"});
  EXPECT_EQ(ended.code, 2);
  EXPECT_NE(ended.err.find("--insecure"), std::string::npos) << ended.err;
}

}  // namespace
}  // namespace fedloom::testing
