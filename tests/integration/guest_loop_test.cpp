// A client that comes and goes with its device's battery: it ends the task at work, its update counts, it
// stays away, comes back by itself, and the run goes on with it.
#include <atomic>
#include <thread>

#include "edge/client.hpp"
#include "experiments/experiment_file.hpp"
#include "tests/integration/federation.hpp"

namespace fedloom::testing {
namespace {

TEST(GuestLoop, ComesAndGoesAndTheRunGoesOn) {
  const TempFolder folder;
  DeployedFederation federation(
      folder, 2, set({"rounds=1000000", "evaluate.every=0", "deploy.lost_after=1h", "checkpoint.every=0"}));
  federation.start_server("tcp://127.0.0.1:0");
  federation.start_client(0);
  std::atomic<bool> battery = false;
  std::thread guest([&] {
    ClientOptions options;
    options.experiment = load_experiment(kSmallJob, {"data.clients=2"}).config;
    options.connect = federation.endpoint();
    options.client = 1;
    options.state_dir = folder / "guest";
    options.quiet = true;
    options.when.mains = true;
    options.system.on_battery = [&] { return battery.load(); };
    options.look_every = 20 * kMillisecond;
    EXPECT_EQ(run_client(options), 0);
  });
  const std::string log = federation.out() + "/run.jsonl";
  const auto left = [&] { return occurrences(log, "\"event\":\"peer_left\""); };
  const auto joined = [&] { return occurrences(log, "\"event\":\"peer_joined\""); };
  ASSERT_TRUE(federation.wait_for_rounds(5));
  for (std::size_t times = 1; times <= 3; ++times) {
    battery = true;
    ASSERT_TRUE(eventually([&] { return left() == times; }));
    battery = false;
    ASSERT_TRUE(eventually([&] { return joined() == 2 + times; }));
  }
  // A server that is stopped is waited for; a run that is complete is the end.
  federation.server().signal(SIGTERM);
  EXPECT_EQ(federation.server().wait().code, 130);
  const std::size_t rounds = occurrences(federation.out() + "/events.jsonl", "\"event\":\"window_closed\"");
  federation.start_server(federation.endpoint(), {"--resume", "--set", fmt::format("rounds={}", rounds + 5)});
  EXPECT_EQ(federation.server().wait().code, 0);
  guest.join();
  // A task at work is ended; what it was given when it had made up its mind is lost, one each time at most.
  EXPECT_LE(occurrences(federation.out() + "/events.jsonl", "\"verdict\":\"lost\""), 3U);
}

}  // namespace
}  // namespace fedloom::testing
