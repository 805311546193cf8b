// The run folder as people find it before and after a run: whose it is, what survives a refusal, and what an
// unfinished run is worth.
#include <csignal>
#include <filesystem>
#include <map>

#include "tests/support/program.hpp"

namespace fedloom::testing {
namespace {

namespace fs = std::filesystem;

const Words kEndless = set({"rounds=1000000", "evaluate.every=0", "checkpoint.every=1"});
const Words kOneWorker = {"--workers", "1", "--transport", "ipc"};

class RunFolders : public ::testing::Test {
 protected:
  std::string out() const { return folder_ / "run"; }
  Words run_words(const Words& more) const {
    return Words{"run", kSmallJob, "--quiet", "--no-report", "--out", out()} + kOneWorker + more;
  }
  TempFolder folder_;
};

// ---- one process at a time ----

TEST_F(RunFolders, ASecondProcessIsRefusedNamingTheFirst) {
  const auto first = start(run_words(kEndless));
  ASSERT_TRUE(wait_for_rounds(out(), 1)) << first->err();
  const Words variants[] = {{}, {"--seed", "2"}, {"--resume"}};
  for (const Words& more : variants) {
    const Ended second = finish(run_words(kEndless + more));
    EXPECT_EQ(second.code, 2) << "signal " << second.signal;
    EXPECT_NE(second.err.find("process " + std::to_string(first->id()) + " is running in " + out()),
              std::string::npos)
        << second.err;
  }
  EXPECT_TRUE(first->running());
  first->signal(SIGINT);
  EXPECT_EQ(first->wait().code, 130);
  EXPECT_FALSE(fs::exists(out() + "/lock"));
}

TEST_F(RunFolders, WorkersDoNotHoldTheLock) {
  const auto run = start(run_words(kEndless));
  ASSERT_TRUE(wait_for_rounds(out(), 1)) << run->err();
  const std::vector<pid_t> workers = run->children();
  ASSERT_EQ(workers.size(), 1U);
  const auto holds_lock = [&](pid_t process) {
    std::error_code gone;
    for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(process) + "/fd"))
      if (fs::read_symlink(entry.path(), gone).filename() == "lock") return true;
    return false;
  };
  EXPECT_TRUE(holds_lock(run->id()));
  EXPECT_FALSE(holds_lock(workers[0]));
}

TEST_F(RunFolders, AKilledProcessFreesItsFolder) {
  const Words few = set({"rounds=30", "checkpoint.every=1"});
  const auto run = start(run_words(few + set({"rounds=1000000"})));
  ASSERT_TRUE(wait_for_rounds(out(), 2)) << run->err();
  run->signal(SIGKILL);
  ASSERT_EQ(run->wait().signal, SIGKILL);
  EXPECT_TRUE(fs::exists(out() + "/lock"));
  const std::size_t done = occurrences(out() + "/run.jsonl", "\"event\":\"machine\"");
  const Ended resumed =
      finish(run_words(few + Words{"--resume"} + set({fmt::format("rounds={}", done + 5)})));
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_FALSE(fs::exists(out() + "/lock"));
}

// ---- an unfinished run ----

// Without --out the folder is chosen by name, which is no licence to throw hours of work away.
TEST_F(RunFolders, AnUnfinishedRunInTheDefaultFolderIsNotOverwritten) {
  const Words words = Words{"run", kSmallJob, "--quiet", "--no-report"} + kOneWorker + kEndless;
  const std::string chosen = folder_ / "runs/softmax_synthetic";
  const auto run = start(words, folder_.path());
  ASSERT_TRUE(wait_for_rounds(chosen, 2)) << run->err();
  run->signal_group(SIGKILL);
  (void)run->wait();
  const std::string before = contents(chosen + "/events.jsonl");
  const Ended again = finish(words, folder_.path());
  EXPECT_EQ(again.code, 2);
  EXPECT_NE(again.err.find("--resume"), std::string::npos) << again.err;
  EXPECT_NE(again.err.find("--out"), std::string::npos) << again.err;
  EXPECT_EQ(contents(chosen + "/events.jsonl"), before);
  EXPECT_FALSE(fs::is_empty(chosen + "/checkpoints"));
}

// ---- a run that is refused ----

std::map<std::string, std::string> everything_in(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    files[entry.path().string()] = entry.is_regular_file() ? contents(entry.path().string()) : "a folder";
  return files;
}

// Each is found out at another stage: the data, the components, the endpoint.
const std::vector<std::pair<const char*, Words>> kRefusals = {
    {"no data", Words{"run", kSmallJob, "--data-dir", "nowhere"} + set({"data={source: mnist}"})},
    {"no validation set", Words{"run", kSmallJob} + set({"evaluate.on=validation"})},
    {"components that do not fit",
     Words{"run", kSmallJob} + set({"strategy=scaffold", "train.optimizer={name: sgd, momentum: 0.9}"})},
    {"no clients to serve", Words{"server", kSmallJob} + set({"strategy=centralised"})},
    {"an address of somebody else", {"server", kSmallJob, "--listen", "tcp://192.0.2.1:1"}},
    {"no endpoint", {"server", kSmallJob, "--listen", "somewhere"}},
};

TEST_F(RunFolders, ARefusedRunLeavesAFinishedOneAsItWas) {
  ASSERT_EQ(finish(Words{"run", kSmallJob, "--quiet", "--out", out()} + kOneWorker +
                   set({"rounds=3", "checkpoint.every=1", "strategy=scaffold"}))
                .code,
            0);
  const auto before = everything_in(out());
  ASSERT_TRUE(before.contains(out() + "/report.html"));
  for (const auto& [what, words] : kRefusals) {
    EXPECT_EQ(finish(words + Words{"--out", out()}).code, 2) << what;
    EXPECT_TRUE(everything_in(out()) == before) << what;
  }
  // A longer run that goes on from it, and cannot.
  const Ended longer =
      finish(Words{"server", kSmallJob, "--resume", "--out", out(), "--listen", "tcp://192.0.2.1:1"} +
             set({"rounds=9", "strategy=scaffold"}));
  EXPECT_EQ(longer.code, 2) << longer.err;
  EXPECT_TRUE(everything_in(out()) == before);
}

TEST_F(RunFolders, ARefusedRunLeavesNoFolder) {
  for (const auto& [what, words] : kRefusals) {
    EXPECT_EQ(finish(words + Words{"--out", folder_ / "new/and/deep"}).code, 2) << what;
    EXPECT_FALSE(fs::exists(folder_ / "new")) << what;
  }
}

// An interrupted run in the folder of a finished one must not be seen beside the other's model and report.
TEST_F(RunFolders, AFreshRunClearsWhatIsNotItsOwn) {
  ASSERT_EQ(finish(Words{"run", kSmallJob, "--quiet", "--out", out()} + kOneWorker + set({"rounds=2"})).code,
            0);
  const auto run = start(run_words(kEndless));
  ASSERT_TRUE(wait_for_rounds(out(), 1)) << run->err();
  for (const char* name : {"summary.json", "model.safetensors", "report.html"})
    EXPECT_TRUE(eventually([&] { return !fs::exists(out() + "/" + name); })) << name;
}

// ---- what the end names ----

TEST_F(RunFolders, TheClosingLinesNameOnlyAReportThatIsThere) {
  const auto run = start(Words{"run", kSmallJob, "--out", out()} + kOneWorker + kEndless);
  ASSERT_TRUE(wait_for_rounds(out(), 1)) << run->err();
  run->signal(SIGINT);
  const Ended stopped = run->wait();
  EXPECT_EQ(stopped.code, 130);
  EXPECT_NE(stopped.err.find("--resume goes on"), std::string::npos) << stopped.err;
  EXPECT_EQ(stopped.err.find("report.html"), std::string::npos) << stopped.err;

  const Ended whole =
      finish(Words{"run", kSmallJob, "--out", folder_ / "whole"} + kOneWorker + set({"rounds=2"}));
  EXPECT_NE(whole.err.find(folder_ / "whole/report.html"), std::string::npos) << whole.err;
  EXPECT_TRUE(fs::exists(folder_ / "whole/report.html"));
}

}  // namespace
}  // namespace fedloom::testing
