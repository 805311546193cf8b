// `fedloom sweep` as people use it: to the end, cut off in the middle by Ctrl-C or kill -9, with a variant
// that cannot run, and again after the file has changed.
#include <csignal>
#include <filesystem>

#include "tests/support/program.hpp"
#include "wiring/core_shares.hpp"

namespace fedloom::testing {
namespace {

namespace fs = std::filesystem;

class Sweeps : public ::testing::Test {
 protected:
  std::string out() const { return folder_ / "out"; }
  std::string sweep_file(const std::string& text) const {
    return folder_.write("sweep.yaml", "experiment: " + std::string(kSmallJob) + "\n" + text);
  }
  Words words(const std::string& text, const Words& more = {}) const {
    return Words{"sweep", sweep_file(text), "--out", out()} + more;
  }
  TempFolder folder_;
};

const char* const kTwoRates =
    "set: {rounds: 4, runtime.workers: 1, checkpoint.every: 1}\ngrid: {train.lr: [0.01, 0.1]}\nseeds: [1, "
    "2]\n"
    "parallel: 2\n";

TEST_F(Sweeps, ARunOfASweepIsTheRunByHand) {
  const Ended ended = finish(words(kTwoRates));
  ASSERT_EQ(ended.code, 0) << ended.err;
  const Outcome by_hand =
      run_job(folder_ / "hand", Words{"--workers", "1", "--seed", "2"} + set({"rounds=4", "train.lr=0.1"}));
  EXPECT_EQ(outcome_of(out() + "/lr=0.1_seed=2").model_hash, by_hand.model_hash);
  EXPECT_NE(ended.out.find("lr=0.01"), std::string::npos) << ended.out;
  EXPECT_NE(ended.err.find("4/4"), std::string::npos) << ended.err;
  EXPECT_EQ(occurrences(out() + "/sweep.csv", "\n"), 3U);
  EXPECT_TRUE(fs::exists(out() + "/sweep.md") && fs::exists(out() + "/report.html"));
  EXPECT_FALSE(fs::exists(out() + "/lock"));

  // Once more: nothing is run, the table is the same.
  const std::string table = contents(out() + "/sweep.csv");
  const auto written = fs::last_write_time(out() + "/lr=0.1_seed=2/summary.json");
  const Ended again = finish(words(kTwoRates));
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(again.out, ended.out);
  EXPECT_EQ(contents(out() + "/sweep.csv"), table);
  EXPECT_EQ(fs::last_write_time(out() + "/lr=0.1_seed=2/summary.json"), written);

  // With other settings it is refused before anything is touched, and says what changed.
  const Ended changed = finish(words(kTwoRates, set({"train.batch_size=5"})));
  EXPECT_EQ(changed.code, 2);
  EXPECT_NE(changed.err.find("train.batch_size was 10, is now 5"), std::string::npos) << changed.err;
  EXPECT_EQ(contents(out() + "/sweep.csv"), table);
}

TEST_F(Sweeps, TuningChoosesOnValidationAndTheMainRunsTakeIt) {
  const char* const text =
      "set: {rounds: 3, data.validation: 0.2, runtime.workers: 1}\n"
      "tune: {grid: {train.lr: [1e-9, 0.05]}, set: {rounds: 2}}\n";
  const Ended ended = finish(words(text));
  ASSERT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ(occurrences(out() + "/tuning.csv", "base,0.05,1,"), 1U) << contents(out() + "/tuning.csv");
  EXPECT_EQ(occurrences(out() + "/tuning.csv", ",yes"), 1U);
  EXPECT_EQ(occurrences(out() + "/sweep.csv", "base,0.05,train.lr,test,1,"), 1U)
      << contents(out() + "/sweep.csv");
  EXPECT_EQ(occurrences(out() + "/tune/base_lr=0.05_seed=1/resolved.yaml", "on: validation"), 1U);
  EXPECT_EQ(occurrences(out() + "/base_seed=1/resolved.yaml", "on: test"), 1U);
  EXPECT_EQ(occurrences(out() + "/base_seed=1/resolved.yaml", "lr: 0.05"), 1U);
}

TEST_F(Sweeps, AVariantThatCannotRunDoesNotStopTheOthers) {
  const char* const text =
      "set: {rounds: 2, runtime.workers: 1}\n"
      "list: {broken: {strategy: scaffold, train.optimizer: {name: sgd, momentum: 0.9}}, good: {}}\n";
  const Ended ended = finish(words(text));
  EXPECT_EQ(ended.code, 1) << ended.err;
  EXPECT_NE(ended.err.find("1 failure;"), std::string::npos) << ended.err;
  EXPECT_NE(ended.err.find("broken_seed=1: exit code 2: fedloom: "), std::string::npos) << ended.err;
  EXPECT_NE(ended.err.find("scaffold needs plain SGD"), std::string::npos) << ended.err;
  EXPECT_TRUE(fs::exists(out() + "/good_seed=1/summary.json"));
}

TEST_F(Sweeps, OnlyRunsThatVariantAndADryRunNone) {
  const Ended dry = finish(words(kTwoRates, {"--dry-run"}));
  EXPECT_EQ(dry.code, 0) << dry.err;
  EXPECT_NE(dry.out.find("lr=0.1_seed=2  (new)"), std::string::npos) << dry.out;
  EXPECT_FALSE(fs::exists(out()));
  EXPECT_EQ(finish(words(kTwoRates, {"--only", "lr=0.1"})).code, 0);
  EXPECT_FALSE(fs::exists(out() + "/lr=0.01_seed=1"));
  const Ended left = finish(words(kTwoRates, {"--dry-run"}));
  EXPECT_EQ(left.out.find("lr=0.1_seed"), std::string::npos) << left.out;
  EXPECT_NE(left.out.find("lr=0.01_seed=1  (new)"), std::string::npos) << left.out;
  // The table of the second call has what the first one ran.
  EXPECT_EQ(finish(words(kTwoRates, {"--only", "lr=0.01"})).code, 0);
  EXPECT_EQ(occurrences(out() + "/sweep.csv", "lr=0.1,0.1,test,2,"), 1U) << contents(out() + "/sweep.csv");
}

// ---- cut off ----

std::string endless(const std::string& rounds) {
  return "set: {rounds: " + rounds + ", evaluate.every: 0, checkpoint.every: 1, runtime.workers: 1}\n" +
         "grid: {train.lr: [0.01, 0.1, 1]}\nparallel: 2\n";
}

TEST_F(Sweeps, AfterCtrlCTheSameCommandGoesOn) {
  const auto sweep = start(words(endless("1000000")));
  ASSERT_TRUE(wait_for_rounds(out() + "/lr=0.01_seed=1", 2)) << sweep->err();
  ASSERT_TRUE(wait_for_rounds(out() + "/lr=0.1_seed=1", 2)) << sweep->err();
  const std::vector<pid_t> runs = sweep->children();
  EXPECT_EQ(runs.size(), 2U);
  sweep->signal(SIGINT);
  const Ended ended = sweep->wait();
  EXPECT_EQ(ended.code, 130) << ended.err;
  EXPECT_NE(ended.err.find("the same command goes on"), std::string::npos) << ended.err;
  EXPECT_EQ(ended.err.find("failed"), std::string::npos) << ended.err;
  for (const pid_t run : runs) EXPECT_FALSE(exists(run));
  EXPECT_FALSE(fs::is_empty(out() + "/lr=0.01_seed=1/checkpoints"));
  EXPECT_FALSE(fs::exists(out() + "/lr=1_seed=1/events.jsonl")) << "its turn had not come";

  const std::size_t done = occurrences(out() + "/lr=0.01_seed=1/run.jsonl", "\"event\":\"machine\"") +
                           occurrences(out() + "/lr=0.1_seed=1/run.jsonl", "\"event\":\"machine\"");
  const Ended on = finish(words(endless(std::to_string(done + 3))));
  EXPECT_EQ(on.code, 0) << on.err;
  EXPECT_EQ(occurrences(out() + "/lr=0.01_seed=1/run.jsonl", "\"event\":\"resumed\""), 1U);
  EXPECT_EQ(occurrences(out() + "/lr=1_seed=1/run.jsonl", "\"event\":\"resumed\""), 0U);
}

TEST_F(Sweeps, KilledInTheMiddleItEndsWithTheSameBits) {
  auto sweep = start(words(endless("1000000")));
  ASSERT_TRUE(wait_for_rounds(out() + "/lr=0.01_seed=1", 3)) << sweep->err();
  const std::vector<pid_t> runs = sweep->children();
  sweep->signal(SIGKILL);
  (void)sweep->wait();
  for (const pid_t run : runs)
    EXPECT_TRUE(eventually([&] { return !exists(run); })) << "a run outlived its sweep";
  const std::size_t done = occurrences(out() + "/lr=0.01_seed=1/run.jsonl", "\"event\":\"machine\"");
  const std::string rounds = std::to_string(done + 3);
  const Ended on = finish(words(endless(rounds), {"--only", "lr=0.01"}));
  ASSERT_EQ(on.code, 0) << on.err;
  const Outcome whole =
      run_job(folder_ / "whole", Words{"--workers", "1"} + set({"rounds=" + rounds, "evaluate.every=0"}));
  EXPECT_EQ(outcome_of(out() + "/lr=0.01_seed=1").model_hash, whole.model_hash);
}

TEST_F(Sweeps, RunsAtATimeShareTheCores) {
  const Ended ended = finish(words("set: {rounds: 3}\nseeds: [1, 2]\nparallel: 2\n"));
  ASSERT_EQ(ended.code, 0) << ended.err;
  for (const std::size_t slot : {0U, 1U}) {
    const std::string log = fmt::format("{}/base_seed={}/run.jsonl", out(), slot + 1);
    EXPECT_LE(occurrences(log, "peer_joined"), core_share(usable_cores(), 2, slot).size());
    EXPECT_GE(occurrences(log, "peer_joined"), 1U) << contents(log);
  }
}

TEST_F(Sweeps, MistakesAreRefusedAtOnce) {
  const Ended typo = finish(words("list:\n  a: {}\n  b: {train.lrr: 1}\n"));
  EXPECT_EQ(typo.code, 2);
  EXPECT_NE(typo.err.find("sweep.yaml:4:18: train.lrr: unknown key; did you mean 'lr'?"), std::string::npos)
      << typo.err;
  EXPECT_FALSE(fs::exists(out()));
  EXPECT_EQ(finish({"sweep", folder_ / "nothere.yaml"}).code, 2);
  EXPECT_EQ(finish(words("", {"--only", "x"})).code, 2);
  EXPECT_EQ(finish(words("", {"--parallel", "0"})).code, 2);
  folder_.write("out/events.jsonl", "");
  const Ended taken = finish(words(""));
  EXPECT_EQ(taken.code, 2);
  EXPECT_NE(taken.err.find("holds a single run"), std::string::npos) << taken.err;
}

}  // namespace
}  // namespace fedloom::testing
