// Whole runs over stages, with real processes: one outcome however the machine runs them and whenever it is
// killed, and what they leave behind.
#include <chrono>
#include <csignal>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include <nlohmann/json.hpp>

#include "core/config.hpp"
#include "core/random.hpp"
#include "tests/integration/federation.hpp"
#include "tests/support/paths.hpp"

namespace fedloom::testing {
namespace {

using Json = nlohmann::json;

std::string idx_of(const std::vector<std::uint32_t>& sizes, const std::vector<std::uint8_t>& values) {
  std::string file{0, 0, 8, static_cast<char>(sizes.size())};
  for (const std::uint32_t size : sizes)
    for (int shift = 24; shift >= 0; shift -= 8) file += static_cast<char>(size >> shift);
  file.append(values.begin(), values.end());
  return file;
}

/// 8 x 8 pictures of four classes: a bright quarter and noise.
void write_pictures(const std::string& folder, const std::string& name, std::uint32_t count,
                    std::uint64_t seed) {
  Random random(seed, Stream::dataset);
  std::vector<std::uint8_t> pixels;
  std::vector<std::uint8_t> labels;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t label = i % 4;
    labels.push_back(static_cast<std::uint8_t>(label));
    for (std::uint32_t y = 0; y < 8; ++y)
      for (std::uint32_t x = 0; x < 8; ++x)
        pixels.push_back(
            static_cast<std::uint8_t>((y / 4 * 2 + x / 4 == label ? 150 : 20) + random.below(100)));
  }
  std::ofstream(folder + "/" + name + "-x", std::ios::binary) << idx_of({count, 8, 8}, pixels);
  std::ofstream(folder + "/" + name + "-y", std::ios::binary) << idx_of({count}, labels);
}

class ContinualRuns : public ::testing::Test {
 protected:
  void SetUp() override {
    write_pictures(folder_ / "", "train", 240, 1);
    write_pictures(folder_ / "", "test", 80, 2);
    job_ = folder_ / "job.yaml";
    std::ofstream(job_) << "data:\n  source: {name: idx, train_images: " << (folder_ / "train-x")
                        << ", train_labels: " << (folder_ / "train-y")
                        << ", test_images: " << (folder_ / "test-x")
                        << ", test_labels: " << (folder_ / "test-y")
                        << "}\n  clients: 8\n"
                           "continual: {stages: {name: permuted, count: 3}, rounds_per_stage: 4}\n"
                           "model: {name: mlp, hidden: [12]}\n"
                           "strategy: {name: fot, eps: 0.9}\n"
                           "train: {batch_size: 8, lr: 0.1}\n"
                           "pacer: {name: sync, clients_per_round: 5}\n"
                           "evaluate: {every: 3}\ncheckpoint: {every: 1}\n";
  }
  Words words(const std::string& out, const Words& more) const {
    return Words{"run", job_, "--quiet", "--no-report", "--out", folder_ / out} + more;
  }
  Outcome run(const std::string& out, const Words& more) const {
    const Ended ended = finish(words(out, more));
    EXPECT_EQ(ended.code, 0) << ended.err;
    return ended.code == 0 ? outcome_of(folder_ / out) : Outcome{};
  }
  std::vector<Json> events(const std::string& out, const std::string& kind) const {
    std::vector<Json> found;
    std::istringstream lines(contents(folder_ / (out + "/events.jsonl")));
    for (std::string line; std::getline(lines, line);)
      if (const Json event = Json::parse(line); event.at("event") == kind) found.push_back(event);
    return found;
  }

  TempFolder folder_;
  std::string job_;
};

const Words kOne = {"--workers", "1", "--transport", "inproc"};
const Words kThree = {"--workers", "3", "--transport", "ipc"};

class ContinualBits : public ContinualRuns, public ::testing::WithParamInterface<std::string> {};

TEST_P(ContinualBits, AreTheSameForAnyNumberOfWorkers) {
  const Words strategy = set({"strategy=" + GetParam()});
  const Outcome one = run("one", kOne + strategy);
  for (const char* workers : {"2", "8"})
    EXPECT_EQ(run(workers, Words{"--workers", workers, "--transport", "inproc"} + strategy), one);
  EXPECT_EQ(run("three", kThree + strategy), one);
  EXPECT_EQ(run("server", kThree + strategy + set({"runtime.aggregate=server"})), one);
}

INSTANTIATE_TEST_SUITE_P(Strategies, ContinualBits,
                         ::testing::Values("{name: fot, eps: 0.9}", "{name: fot, eps: 0.9, compat: repo}",
                                           "{name: gpm, eps: 0.9}", "ewc", "fedcurv", "flwf", "fedavg",
                                           "centralised"),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::erase_if(name,
                                         [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); });
                           return name;
                         });

// Stages over real sockets: clients' sketches at a stage's end, and a client that is killed in the second
// stage.
TEST_F(ContinualRuns, DeployedEqualTheSimulation) {
  DeployedFederation federation(
      folder_, 3,
      set({"data={source: {name: idx, train_images: " + (folder_ / "train-x") +
               ", train_labels: " + (folder_ / "train-y") + ", test_images: " + (folder_ / "test-x") +
               ", test_labels: " + (folder_ / "test-y") + "}, clients: 3}",
           "continual={stages: {name: permuted, count: 3}, rounds_per_stage: 40}",
           "model={name: mlp, hidden: [12]}", "strategy={name: fot, eps: 0.9}", "train.batch_size=8",
           "checkpoint.every=1", "deploy.lost_after=1h"}));
  federation.start_server("tcp://127.0.0.1:0");
  federation.start_clients();
  ASSERT_TRUE(federation.wait_for_rounds(9)) << federation.server().err();
  federation.client(2).signal(SIGSTOP);  // a round waits for it while the other is killed
  federation.client(1).signal(SIGKILL);
  (void)federation.client(1).wait();
  ASSERT_TRUE(federation.server().running()) << "the kill came too late to mean anything";
  federation.start_client(1);
  federation.client(2).signal(SIGCONT);
  const RunSummary deployed = federation.expect_good_end();
  const RunSummary simulated = federation.simulated();
  EXPECT_EQ(deployed.model_hash, simulated.model_hash);
  EXPECT_EQ(deployed.bytes_up, simulated.bytes_up);
  EXPECT_EQ(deployed.clients_accepted, simulated.clients_accepted);
}

// Killed at moments of the fourth window, which trains for milliseconds and then collects large sketches, and
// in the middle of the second stage.
class ContinualKills : public ContinualRuns, public ::testing::WithParamInterface<Words> {};

TEST_P(ContinualKills, InTheMiddleAndResumedAreTheSameRun) {
  const Words experiment = kThree + set({"evaluate.every=1"}) + set(GetParam());
  const Outcome whole = run("whole", experiment);
  std::size_t killed_while_closing = 0;
  for (const int milliseconds : {5, 40, 80, 120}) {
    for (const std::size_t rounds : {3U, 5U}) {
      const std::string out = "killed" + std::to_string(milliseconds) + "_" + std::to_string(rounds);
      const auto process = start(words(out, experiment));
      ASSERT_TRUE(wait_for_rounds(folder_ / out, rounds)) << process->err();
      (void)process->wait_for(std::chrono::milliseconds(milliseconds));
      process->signal_group(SIGKILL);
      (void)process->wait();
      const bool closing = occurrences(folder_ / (out + "/run.jsonl"), "\"event\":\"machine\"") == rounds;
      killed_while_closing += rounds == 3 && closing ? 1 : 0;
      const Ended resumed = finish(words(out, experiment + Words{"--resume"}));
      ASSERT_EQ(resumed.code, 0) << resumed.err;
      EXPECT_EQ(outcome_of(folder_ / out), whole);
    }
  }
  EXPECT_GT(killed_while_closing, 0U) << "no kill met the window that it was meant for";
}

std::string sketching(const ::testing::TestParamInfo<Words>& instance) {
  const Words names = {"InAPhase", "WithTheUpdate", "OfConvolutions"};
  return names.at(instance.index);
}

// Sketches in a phase of their own, with the last update of training, and of convolutions.
INSTANTIATE_TEST_SUITE_P(
    Sketches, ContinualKills,
    ::testing::Values(
        Words{"strategy.sketch.columns=500"}, Words{"strategy.compat=repo", "strategy.sketch.columns=500"},
        Words{"strategy.sketch.columns=500",
              "model={name: sequential, layers: [{conv2d: {channels: 4, kernel: 3, bias: false}}, relu, "
              "flatten, {dense: {bias: false}}]}"}),
    sketching);

// The same with every moment of evaluation equal, so that the logs are, too.
TEST_F(ContinualRuns, ResumedRunsHaveTheSameLogAndTables) {
  const Words every = kOne + set({"evaluate.every=1"});
  const Outcome whole = run("whole", every);
  const Outcome shorter = run("out", every + set({"rounds=5"}));
  EXPECT_NE(shorter, whole);
  const Ended resumed = finish(words("out", every + Words{"--resume"}));
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(outcome_of(folder_ / "out"), whole);
  EXPECT_EQ(contents(folder_ / "out/stages.csv"), contents(folder_ / "whole/stages.csv"));
}

TEST_F(ContinualRuns, LeaveTheMatrixBehind) {
  (void)run("out", kOne);
  const std::vector<Json> evaluations = events("out", "stages_evaluated");
  std::vector<std::vector<double>> matrix;
  for (const Json& event : evaluations)
    if (event.at("ended")) matrix.push_back(event.at("accuracies").get<std::vector<double>>());
  ASSERT_EQ(matrix.size(), 3U);
  double forgetting = 0.0;
  double mean = 0.0;
  for (std::size_t i = 0; i < 3; ++i) mean += matrix[2][i] / 3.0;
  for (std::size_t i = 0; i < 2; ++i) forgetting += (matrix[i][i] - matrix[2][i]) / 2.0;
  EXPECT_NEAR(evaluations.back().at("mean_accuracy").get<double>(), mean, 1e-12);
  EXPECT_NEAR(evaluations.back().at("forgetting").get<double>(), forgetting, 1e-12);
  EXPECT_GT(matrix[0][0], 0.8) << "the first stage was not learnt";
  // A row of stages.csv for each of them, beside the header.
  std::size_t rows = 1;
  for (const Json& event : evaluations) rows += event.at("accuracies").size();
  EXPECT_EQ(occurrences(folder_ / "out/stages.csv", "\n"), rows);
}

// A sketching task sends sum d_l m_l floats: 64 * 64 + 12 * 12 here, and no model; the rest is names and
// numbers.
TEST_F(ContinualRuns, CountSketchBytes) {
  (void)run("out", kOne);
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::string> kinds;
  for (const Json& event : events("out", "task_started"))
    kinds[{event.at("client"), event.at("task")}] = event.at("kind");
  std::size_t sketches = 0;
  constexpr std::uint64_t kSketch = 4 * (64 * 64 + 12 * 12);
  constexpr std::uint64_t kModel = 4 * (64 * 12 + 12 + 12 * 4 + 4);
  for (const Json& event : events("out", "task_ended")) {
    const std::uint64_t bytes = event.at("bytes_up");
    const bool sketch = kinds.at({event.at("client"), event.at("task")}) == "sketch";
    sketches += sketch ? 1 : 0;
    EXPECT_GT(bytes, sketch ? kSketch : kModel);
    EXPECT_LT(bytes, (sketch ? kSketch : kModel) + 700);
  }
  EXPECT_EQ(sketches, 15U);  // five clients at the end of each of three stages
  // Bases go down with the task that needs them and with no other: whole vectors of 64 or 12 floats.
  std::set<std::uint64_t> training;
  for (const Json& event : events("out", "task_started"))
    if (event.at("kind") == "train") training.insert(event.at("bytes_down").get<std::uint64_t>() / 1000);
  EXPECT_LE(*training.rbegin(), kModel / 1000 + 1);
}

TEST_F(ContinualRuns, TrainJointlyAsTheUpperBound) {
  (void)run("joint", kOne + set({"continual.joint=true", "strategy=fedavg", "rounds=12"}));
  const std::vector<Json> evaluations = events("joint", "stages_evaluated");
  EXPECT_EQ(evaluations.front().at("accuracies").size(), 3U);
  EXPECT_GT(evaluations.back().at("mean_accuracy").get<double>(), 0.7);
}

TEST_F(ContinualRuns, SayWhenThereIsNothingToRemember) {
  const Words joint = set({"continual.joint=true", "rounds=12"});
  const Ended ended = finish(Words{"run", job_, "--no-report", "--out", folder_ / "joint"} + kOne + joint);
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_NE((ended.out + ended.err).find("strategy fot keeps what earlier stages of a sequence have taught"),
            std::string::npos);
}

TEST_F(ContinualRuns, TakeHeadsPerStage) {
  (void)run("heads",
            kOne + set({"continual.heads=per_stage", "continual.stages={name: class_split, count: 2}"}));
  const std::vector<Json> evaluations = events("heads", "stages_evaluated");
  // Two of two classes each, of which one is told: easy, and hard to forget.
  EXPECT_GT(evaluations.back().at("mean_accuracy").get<double>(), 0.9);
}

// Whoever is compared in the papers' files works as it is written there, with a head per stage.
class PapersRivals : public ContinualRuns, public ::testing::WithParamInterface<const char*> {};

TEST_P(PapersRivals, WorkWithAHeadForEachStage) {
  const ConfigNode list =
      ConfigNode::from_file(FEDLOOM_SOURCE_DIR "/experiments/papers/fot/" + std::string(GetParam()))
          .child("list");
  ASSERT_GE(list.keys().size(), 8U);
  for (const std::string& name : list.keys()) {
    SCOPED_TRACE(name);
    const ConfigNode variant = list.child(name);
    Words words = kOne + set({"continual={stages: {name: class_split, count: 2}, rounds_per_stage: 4, heads: "
                              "per_stage}"});
    for (const std::string& key : variant.keys())
      words = words + set({key + "=" + variant.child(key).flow()});
    if (name == "joint") words = words + set({"rounds=8"});
    (void)run(name, words);
    const std::vector<Json> evaluations = events(name, "stages_evaluated");
    ASSERT_FALSE(evaluations.empty());
    EXPECT_GT(evaluations.back().at("mean_accuracy").get<double>(), 0.5);
  }
}

INSTANTIATE_TEST_SUITE_P(Files, PapersRivals,
                         ::testing::Values("split_cifar10_rivals.yaml", "five_sets_rivals.yaml"),
                         [](const auto& instance) { return std::string(instance.param).substr(0, 4); });

// The experiment for those who have CIFAR-100, on records made here: a coarse and a fine label, and noise.
// Two stages of one round each, a narrow net; what counts is that files, heads and sketches of convolutions
// go together.
TEST_F(ContinualRuns, OfCifar100AreReadyForItsFiles) {
  std::filesystem::create_directories(folder_ / "cifar-100");
  Random random(3, Stream::dataset);
  for (const auto& [name, count] : {std::pair<const char*, int>{"train.bin", 400}, {"test.bin", 200}}) {
    std::ofstream file(folder_ / (std::string("cifar-100/") + name), std::ios::binary);
    for (int i = 0; i < count; ++i) {
      file.put(static_cast<char>(i % 20)).put(static_cast<char>(i % 100));
      for (int pixel = 0; pixel < 3072; ++pixel) file.put(static_cast<char>(random.below(256)));
    }
  }
  const Ended ended =
      finish(Words{"run", FEDLOOM_SOURCE_DIR "/experiments/papers/fot/split_cifar100.yaml", "--quiet",
                   "--data-dir", folder_ / "", "--out", folder_ / "cifar"} +
             kOne +
             set({"data.clients=4", "pacer.clients_per_round=2", "continual.rounds_per_stage=1", "rounds=2",
                  "model.hidden=8", "strategy.sketch.most_columns=20"}));
  ASSERT_EQ(ended.code, 0) << ended.err;
  const std::vector<Json> windows = events("cifar", "window_closed");
  ASSERT_EQ(windows.size(), 2U);
  EXPECT_GT(windows.back().at("metrics").at("vectors.conv2"), 0);
  EXPECT_FALSE(windows.back().at("metrics").contains("vectors.head"));
  EXPECT_EQ(events("cifar", "stages_evaluated").back().at("examples").at(0),
            20);  // 10 of 100 classes, twice each
  EXPECT_NE(contents(folder_ / "cifar/report.html").find("\"matrix\""), std::string::npos);
}

TEST_F(ContinualRuns, AreRefusedWhereTheyMakeNoSense) {
  const auto error = [&](const Words& more) { return finish(words("no", kOne + set(more))).err; };
  EXPECT_NE(error({"rounds=13"}).find("have 12 together"), std::string::npos);
  EXPECT_NE(error({"pacer=fedbuff"}).find("goes by rounds"), std::string::npos);
  EXPECT_NE(error({"strategy=local_only"}).find("judged by clients' own models"), std::string::npos);
  EXPECT_NE(error({"evaluate.clients=2"}).find("judged stage by stage"), std::string::npos);
  EXPECT_NE(error({"evaluate.target_accuracy=0.5"}).find("in the first of them"), std::string::npos);
  EXPECT_NE(error({"strategy.sketch={layers: [conv*]}"}).find("none fits strategy.sketch.layers: [conv*]"),
            std::string::npos);
  EXPECT_NE(error({"continual.rounds_per_stage=[1, 2]"}).find("2 numbers for 3 stages"), std::string::npos);
}

}  // namespace
}  // namespace fedloom::testing
