// Privacy of a deployed federation: noise that nobody else can make again, and clients who cannot be talked
// out of it.
#include "tests/integration/federation.hpp"

namespace fedloom::testing {
namespace {

constexpr std::size_t kClients = 2;
const char* const kAnyPort = "tcp://127.0.0.1:0";
const Words kPrivate = set({"rounds=2", "privacy={unit: example, noise_multiplier: 1}"});

class PrivateDeployed : public ::testing::Test {
 protected:
  /// Of a run whose clients have their states in this folder.
  std::string model_of(std::size_t folder) {
    DeployedFederation federation(folders_[folder], kClients, kPrivate);
    federation.start_server(kAnyPort);
    federation.start_clients();
    return federation.expect_good_end().model_hash;
  }

  TempFolder folders_[2];
};

// The same experiment and seed: a client's state folder has its secret, and with it the same tasks have the
// same noise.
TEST_F(PrivateDeployed, NoiseFollowsFromTheClientsSecrets) {
  const std::string first = model_of(0);
  EXPECT_EQ(model_of(0), first);
  EXPECT_NE(model_of(1), first);
  DeployedFederation federation(folders_[0], kClients, kPrivate);
  EXPECT_NE(federation.simulated().model_hash, first) << "the seed, which everybody has, does not tell it";
}

// Tasks of the round that was open are given out again as they were: they count once, whether the server was
// killed before they went out or after.
TEST_F(PrivateDeployed, AKilledServerCountsWhatIsSpentOnce) {
  DeployedFederation federation(folders_[0], kClients, kPrivate + set({"rounds=200", "evaluate.every=100"}));
  federation.start_server(kAnyPort);
  federation.start_clients();
  ASSERT_TRUE(federation.wait_for_rounds(2)) << federation.server().err();
  federation.server().signal(SIGKILL);
  ASSERT_EQ(federation.server().wait().signal, SIGKILL);
  EXPECT_NE(contents(federation.out() + "/spent.log"), "");
  federation.start_server(federation.endpoint(), {"--resume"});
  const RunSummary resumed = federation.expect_good_end();
  ASSERT_TRUE(resumed.epsilon.has_value());
  EXPECT_EQ(resumed.epsilon, federation.simulated().epsilon);
}

TEST_F(PrivateDeployed, AClientInsistsOnWhatItsFileSays) {
  DeployedFederation federation(folders_[0], kClients, set({"rounds=50", "deploy.lost_after=1h"}));
  federation.start_server(kAnyPort);
  federation.start_client(0, "", set({"privacy={unit: example, noise_multiplier: 1}"}));
  const Ended ended = federation.client(0).wait();
  EXPECT_NE(ended.code, 0);
  EXPECT_NE(ended.err.find("this client's experiment says privacy: example"), std::string::npos) << ended.err;
  federation.server().signal(SIGKILL);
  EXPECT_EQ(federation.server().wait().signal, SIGKILL);
}

}  // namespace
}  // namespace fedloom::testing
