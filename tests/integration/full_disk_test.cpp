// A disk that fills up in the middle of a run, on a small one of its own in a mount namespace: the run says
// so and ends, what was written before is sound, and with room again it goes on to the same result. Needs a
// system that lets its users have namespaces.
#include <filesystem>

#include "tests/integration/federation.hpp"

namespace fedloom::testing {
namespace {

// Words for a shell in its own namespaces, as which `folder` is a disk of 400 kB with a file `fill` of 300 on
// it.
Words on_small_disk(const std::string& folder, const std::string& script) {
  return {"/usr/bin/unshare",
          "--user",
          "--map-root-user",
          "--mount",
          "/bin/sh",
          "-c",
          "mount -t tmpfs -o size=400k none \"$0\" && dd if=/dev/zero of=\"$0/fill\" bs=1k count=300 "
          "status=none && " +
              script,
          folder};
}

bool has_namespaces(const std::string& folder) {
  return Process(on_small_disk(folder, "true")).wait().code == 0;
}

class FullDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    disk_ = folder_ / "disk";
    std::filesystem::create_directory(disk_);
    if (!has_namespaces(disk_)) GTEST_SKIP() << "this system gives its users no mount namespaces";
  }
  TempFolder folder_;
  std::string disk_;
};

TEST_F(FullDisk, ARunEndsWithAReasonAndGoesOnWithRoom) {
  const Words experiment = set({"rounds=200", "checkpoint.every=1", "strategy=scaffold"});
  std::string run =
      std::string(kProgram) + " run " + kSmallJob + " --quiet --no-report --workers 1 --out \"$0/run\"";
  for (const std::string& word : experiment) run += " " + word;
  const Ended ended = Process(on_small_disk(disk_, "{ " + run + "; test $? = 2; } && rm \"$0/fill\" && " +
                                                       "mount -o remount,size=80m \"$0\" && " + run +
                                                       " --resume && cp \"$0/run/summary.json\" " +
                                                       (folder_ / "summary.json")))
                          .wait();
  ASSERT_EQ(ended.code, 0) << ended.err;
  EXPECT_NE(ended.err.find("No space left on device"), std::string::npos) << ended.err;
  const Outcome whole = run_job(folder_ / "whole", experiment);
  const RunSummary resumed = read_summary(folder_ / "summary.json");
  EXPECT_EQ(resumed.model_hash, whole.model_hash);
  EXPECT_EQ(resumed.events_hash, whole.events_hash);
}

// It says why, and its clients that it failed; started again, with room, they come to the undisturbed model.
TEST_F(FullDisk, AServerEndsWithAReasonAndGoesOnWithRoom) {
  const std::string endpoint = "ipc://" + folder_ / "socket";
  DeployedFederation federation(folder_, 3, set({"rounds=200", "checkpoint.every=1", "strategy=scaffold"}));
  std::string server = std::string(kProgram) + " server " + kSmallJob +
                       " --quiet --no-report --out \"$0/run\" --listen " + endpoint;
  for (const std::string& word : federation.experiment()) server += " " + word;
  Process process(on_small_disk(disk_, "{ " + server + "; test $? = 2; } && rm \"$0/fill\" && " +
                                           "mount -o remount,size=80m \"$0\" && " + server +
                                           " --resume && cp \"$0/run/summary.json\" " +
                                           (folder_ / "summary.json")));
  for (std::size_t client = 0; client < 3; ++client) federation.start_client(client, endpoint);
  for (std::size_t client = 0; client < 3; ++client) {
    const Ended ended = federation.client(client).wait();
    EXPECT_EQ(ended.code, 1) << ended.err;
    EXPECT_NE(ended.err.find("the server failed"), std::string::npos)
        << "not where its files are: " << ended.err;
    federation.start_client(client, endpoint);
  }
  const Ended ended = process.wait();
  ASSERT_EQ(ended.code, 0) << ended.err;
  EXPECT_NE(ended.err.find("No space left on device"), std::string::npos) << ended.err;
  for (std::size_t client = 0; client < 3; ++client) EXPECT_EQ(federation.client(client).wait().code, 0);
  EXPECT_EQ(read_summary(folder_ / "summary.json").model_hash, federation.simulated().model_hash);
}

// Its state cannot be kept, so its tasks fail, the others' do not, and nobody dies of it.
TEST_F(FullDisk, AClientThatCannotKeepItsStateFailsItsTasksAlone) {
  DeployedFederation federation(folder_, 3, set({"rounds=5", "strategy=scaffold"}));
  federation.start_server("tcp://127.0.0.1:0");
  federation.start_client(0);
  federation.start_client(1);
  std::string client = "dd if=/dev/zero of=\"$0/more\" bs=1k count=300 2>/dev/null; " + std::string(kProgram);
  for (const std::string& word : federation.client_words(2, federation.endpoint())) client += " " + word;
  const std::string state = folder_ / "state-2";  // as client_words() has it
  std::filesystem::create_directory(state);
  Process full(on_small_disk(state, "{ " + client + "; }"));
  const Ended ended = federation.server().wait();
  ASSERT_EQ(ended.code, 0) << ended.err;
  const Ended last = full.wait();
  EXPECT_EQ(last.code, 0) << last.err;
  EXPECT_NE(last.err.find("No space left on device"), std::string::npos) << last.err;
  EXPECT_EQ(read_summary(federation.out() + "/summary.json").clients_accepted, 10U);
}

}  // namespace
}  // namespace fedloom::testing
