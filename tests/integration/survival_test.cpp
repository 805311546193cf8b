// A run that is killed, anywhere and as often as one likes, ends as if nothing had happened. FEDLOOM_CHAOS=N
// does N kills of each kind instead of ten (`make chaos`).
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "core/file.hpp"
#include "core/random.hpp"
#include "experiments/components.hpp"
#include "experiments/experiment_file.hpp"
#include "server/checkpoint.hpp"
#include "tests/support/program.hpp"

namespace fedloom::testing {
namespace {

namespace fs = std::filesystem;
using Seconds = std::chrono::duration<double>;

const Words kJob = set({"rounds=40", "checkpoint.every=3", "evaluate.every=5", "train.epochs=2"});
const Words kProcesses = {"--workers", "2", "--transport", "ipc"};

Words run_words(const std::string& folder, const Words& experiment) {
  return Words{"run", kSmallJob, "--quiet", "--no-report", "--out", folder} + experiment + kProcesses;
}

Words resume_words(const std::string& folder, const Words& experiment) {
  return run_words(folder, experiment) + Words{"--resume"};
}

std::uint64_t trials() {
  const char* wish = std::getenv("FEDLOOM_CHAOS");
  return wish == nullptr ? 10 : std::stoull(wish);
}

std::vector<std::string> checkpoints(const std::string& folder) {
  std::vector<std::string> files;
  if (fs::exists(folder + "/checkpoints"))
    for (const auto& entry : fs::directory_iterator(folder + "/checkpoints"))
      if (entry.path().extension() == ".flc") files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  return files;
}

void expect_sound_checkpoints(const std::string& folder) {
  const Experiment experiment = load_experiment(kSmallJob, {});
  const auto layout = build_components(experiment.config, "", 1.0).model->layout();
  for (const std::string& file : checkpoints(folder))
    EXPECT_NO_THROW(checkpoint_from_bytes(read_file(file), layout, file)) << "half written";
}

// ---- kill -9 at any moment ----

struct Reference {
  Words experiment;
  Outcome outcome;
  Seconds duration{};
};

class SurvivingKills : public ::testing::Test {
 protected:
  // One strategy with state on clients and on the server, one with momentum on the server, one with noise on
  // clients and a budget that ends it.
  void SetUp() override {
    for (const Words& experiment : {set({"strategy=scaffold"}), set({"strategy=fedadam"}),
                                    set({"privacy={unit: example, epsilon: 12, participations: 15}"})}) {
      Reference reference;
      reference.experiment = kJob + experiment;
      const auto begin = std::chrono::steady_clock::now();
      const std::string out = folder_ / ("reference" + std::to_string(references_.size()));
      const Ended ended = finish(run_words(out, reference.experiment));
      ASSERT_EQ(ended.code, 0) << ended.err;
      reference.duration = std::chrono::steady_clock::now() - begin;
      reference.outcome = outcome_of(out);
      references_.push_back(reference);
    }
  }

  /// Waits for the moment of a trial: half of them after so much time, half when so many rounds are done.
  void wait_for_moment(Process& run, const std::string& out, const Reference& reference, Random& random) {
    if (random.bernoulli(0.5)) {
      (void)run.wait_for(
          std::chrono::duration_cast<std::chrono::nanoseconds>(reference.duration * random.uniform()));
    } else {
      const std::size_t rounds = random.below(39);
      EXPECT_TRUE(eventually([&] {
        return !run.running() || occurrences(out + "/run.jsonl", "\"event\":\"machine\"") >= rounds;
      }));
    }
  }

  TempFolder folder_;
  std::vector<Reference> references_;
};

TEST_F(SurvivingKills, AKilledWorkerChangesNothing) {
  std::uint64_t killed = 0;
  for (std::uint64_t trial = 0; trial < trials(); ++trial) {
    SCOPED_TRACE(::testing::Message() << "trial " << trial);
    Random random(trial, Stream::sampling, 1);
    const Reference& reference = references_[trial % references_.size()];
    const std::string out = folder_ / ("worker" + std::to_string(trial));
    const auto run = start(run_words(out, reference.experiment));
    for (std::uint64_t deaths = 1 + random.below(2); deaths > 0; --deaths) {
      wait_for_moment(*run, out, reference, random);
      const std::vector<pid_t> workers = run->children();
      if (workers.empty()) continue;  // before the first was started, or after the end
      killed += ::kill(workers[random.below(workers.size())], SIGKILL) == 0 ? 1 : 0;
    }
    const Ended ended = run->wait();
    ASSERT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(outcome_of(out), reference.outcome);
    expect_sound_checkpoints(out);
    fs::remove_all(out);
  }
  EXPECT_GE(killed, trials() / 2) << "the kills came too late to mean anything";
}

TEST_F(SurvivingKills, KillingEverythingAndResumingChangesNothing) {
  std::uint64_t killed = 0;
  for (std::uint64_t trial = 0; trial < trials(); ++trial) {
    SCOPED_TRACE(::testing::Message() << "trial " << trial);
    Random random(trial, Stream::sampling, 2);
    const Reference& reference = references_[trial % references_.size()];
    const std::string out = folder_ / ("all" + std::to_string(trial));
    Words words = run_words(out, reference.experiment);
    for (std::uint64_t deaths = 1 + random.below(2); deaths > 0; --deaths) {
      const auto run = start(words);
      wait_for_moment(*run, out, reference, random);
      run->signal_group(SIGKILL);
      killed += run->wait().signal == SIGKILL ? 1 : 0;
      expect_sound_checkpoints(out);
      words = resume_words(out, reference.experiment);
    }
    const Ended ended = finish(words);
    ASSERT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(outcome_of(out), reference.outcome);
    expect_sound_checkpoints(out);
    fs::remove_all(out);
  }
  EXPECT_GE(killed, trials() / 2) << "the kills came too late to mean anything";
}

// ---- processes and signals ----

class Survival : public ::testing::Test {
 protected:
  std::string out() const { return folder_ / "run"; }
  TempFolder folder_;
};

const Words kEndless = set({"rounds=1000000", "evaluate.every=0", "checkpoint.every=0"});

TEST_F(Survival, WorkersDieWithTheirLauncher) {
  const auto run = start(run_words(out(), kEndless));
  ASSERT_TRUE(wait_for_rounds(out(), 1)) << run->err();
  const std::vector<pid_t> workers = run->children();
  ASSERT_EQ(workers.size(), 2U);
  run->signal(SIGKILL);
  EXPECT_EQ(run->wait().signal, SIGKILL);
  EXPECT_TRUE(eventually([&] { return std::none_of(workers.begin(), workers.end(), exists); }));
}

class Interrupted : public Survival, public ::testing::WithParamInterface<int> {};

TEST_P(Interrupted, TheRoundIsFinishedAndSavedAndResumed) {
  const Words experiment = set({"rounds=400", "data.clients=8", "pacer.clients_per_round=3",
                                "evaluate.every=50", "checkpoint.every=0", "strategy=scaffold"});
  const Outcome whole = run_job(folder_ / "whole", experiment + kProcesses);
  const auto run = start(run_words(out(), experiment));
  ASSERT_TRUE(wait_for_rounds(out(), 3)) << run->err();
  if (GetParam() == SIGINT)
    run->signal_group(SIGINT);  // as Ctrl-C does
  else
    run->signal(GetParam());
  EXPECT_EQ(run->wait().code, 130);
  EXPECT_EQ(checkpoints(out()).size(), 1U);
  EXPECT_FALSE(fs::exists(out() + "/summary.json"));
  expect_sound_checkpoints(out());

  const Ended resumed = finish(resume_words(out(), experiment));
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(outcome_of(out()), whole);
  const RunSummary summary = read_summary(out() + "/summary.json");
  EXPECT_EQ(summary.client_trainings, 1200U);
  EXPECT_EQ(summary.bytes_up, read_summary(folder_ / "whole/summary.json").bytes_up);
}

INSTANTIATE_TEST_SUITE_P(Signals, Interrupted, ::testing::Values(SIGINT, SIGTERM),
                         [](const auto& instance) { return instance.param == SIGINT ? "Int" : "Term"; });

TEST_F(Survival, ASecondInterruptDoesNotWaitForTheRound) {
  const auto run = start(run_words(out(), set({"rounds=2", "train.epochs=1000000"})));
  ASSERT_TRUE(
      eventually([&] { return occurrences(out() + "/run.jsonl", "peer_joined") == 2 || !run->running(); }));
  run->signal_group(SIGINT);
  // The first must have been counted before the second comes: signals do not queue.
  ASSERT_TRUE(eventually([&] {
    return contents("/proc/" + std::to_string(run->id()) + "/status")
               .find("SigPnd:\t0000000000000000\nShdPnd:\t0000000000000000") != std::string::npos;
  }));
  run->signal_group(SIGINT);
  const Ended ended = run->wait();
  EXPECT_EQ(ended.code, 130) << ended.err;
  EXPECT_NE(ended.err.find("--resume"), std::string::npos) << ended.err;
}

// ---- resuming ----

const Words kShort = set({"rounds=8", "checkpoint.every=2", "evaluate.every=3", "strategy=scaffold"}) +
                     Words{"--workers", "1", "--transport", "inproc"};

Words short_words(const std::string& folder, const Words& more = {}) {
  return Words{"run", kSmallJob, "--no-report", "--out", folder} + kShort + more;
}

// The last of the shorter run's rounds is evaluated only because it is the last; a longer run never sees
// that.
TEST_F(Survival, ResumingWithMoreRoundsIsTheLongerRun) {
  const Outcome longer = run_job(folder_ / "longer", kShort + set({"rounds=11"}));
  const Outcome shorter = run_job(out(), kShort);
  EXPECT_NE(shorter, longer);
  const Ended resumed = finish(short_words(out(), Words{"--resume"} + set({"rounds=11"})));
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(outcome_of(out()), longer);
}

std::map<std::string, std::string> everything_in(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files[entry.path().string()] = contents(entry.path().string());
  return files;
}

TEST_F(Survival, ResumingAFinishedRunSaysSoAndChangesNothing) {
  (void)run_job(out(), kShort);
  const auto before = everything_in(out());
  const Ended again = finish(short_words(out(), {"--resume"}));
  EXPECT_EQ(again.code, 0);
  EXPECT_NE(again.err.find("this run is finished"), std::string::npos) << again.err;
  EXPECT_TRUE(everything_in(out()) == before);
}

TEST_F(Survival, AReachedTargetIsFinishedToo) {
  const Words at_target = set({"rounds=50", "evaluate.every=1", "evaluate.target_accuracy=0.3"});
  (void)run_job(out(), kShort + at_target);
  const RunSummary summary = read_summary(out() + "/summary.json");
  ASSERT_EQ(summary.reason, "target");
  ASSERT_LT(summary.rounds, 50U);
  const auto before = everything_in(out());
  EXPECT_EQ(finish(short_words(out(), at_target + Words{"--resume"})).code, 0);
  EXPECT_TRUE(everything_in(out()) == before);
  // A higher target is a run that goes on, and the one that had it from the start.
  const Words higher = at_target + set({"evaluate.target_accuracy=0.5"});
  const Ended resumed = finish(short_words(out(), higher + Words{"--resume"}));
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(outcome_of(out()), run_job(folder_ / "higher", kShort + higher));
}

TEST_F(Survival, ResumingWithAnotherExperimentIsRefused) {
  (void)run_job(out(), kShort);
  const auto before = everything_in(out());
  for (const std::string other : {"train.lr=0.5", "seed=3", "strategy.server_lr=0.5", "data.source.beta=2"}) {
    const Ended ended = finish(short_words(out(), Words{"--resume"} + set({other})));
    EXPECT_EQ(ended.code, 2) << other;
    EXPECT_NE(ended.err.find("other settings"), std::string::npos) << ended.err;
  }
  const Ended layout = finish(short_words(out(), Words{"--resume"} + set({"model=2nn"})));
  EXPECT_EQ(layout.code, 2);
  EXPECT_NE(layout.err.find("layout"), std::string::npos) << layout.err;
  EXPECT_TRUE(everything_in(out()) == before);
  // The machine may be another one, and the folder may have moved.
  const std::string moved = folder_ / "moved";
  fs::rename(out(), moved);
  const Ended elsewhere =
      finish(short_words(moved, Words{"--resume"} + set({"rounds=9", "runtime.threads=2"})));
  EXPECT_EQ(elsewhere.code, 0) << elsewhere.err;
}

TEST_F(Survival, AnUnfinishedRunIsNotOverwritten) {
  const Words often = kEndless + set({"checkpoint.every=1"});
  const auto run = start(run_words(out(), often));
  ASSERT_TRUE(wait_for_rounds(out(), 1));
  run->signal_group(SIGKILL);
  (void)run->wait();
  const Ended ended = finish(run_words(out(), often));
  EXPECT_EQ(ended.code, 2);
  EXPECT_NE(ended.err.find("--resume"), std::string::npos) << ended.err;
}

void damage(const std::string& file, bool truncate) {
  std::string bytes = contents(file);
  ASSERT_GT(bytes.size(), 200U);
  if (truncate)
    bytes.resize(bytes.size() / 2);
  else
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x10);
  std::ofstream(file, std::ios::binary) << bytes;
}

class DamagedCheckpoint : public Survival, public ::testing::WithParamInterface<bool> {};

// The older checkpoint needs client states that the newer one had replaced: they must still be there.
TEST_P(DamagedCheckpoint, TheOneBeforeItServes) {
  const Outcome expected = run_job(out(), kShort);
  const std::vector<std::string> files = checkpoints(out());
  ASSERT_EQ(files.size(), 2U);
  damage(files.back(), GetParam());
  const Ended resumed = finish(short_words(out(), {"--resume"}));
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_NE(resumed.err.find("passed over"), std::string::npos) << resumed.err;
  EXPECT_EQ(outcome_of(out()), expected);
  expect_sound_checkpoints(out());

  for (const std::string& file : checkpoints(out())) damage(file, GetParam());
  const Ended hopeless = finish(short_words(out(), {"--resume"}));
  EXPECT_EQ(hopeless.code, 2);
  EXPECT_NE(hopeless.err.find("no sound checkpoint"), std::string::npos) << hopeless.err;
}

INSTANTIATE_TEST_SUITE_P(Ways, DamagedCheckpoint, ::testing::Bool(),
                         [](const auto& instance) { return instance.param ? "CutShort" : "FlippedBit"; });

}  // namespace
}  // namespace fedloom::testing
