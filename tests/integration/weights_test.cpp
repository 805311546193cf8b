// Weights in and out by the program: runs that start from a file, what is refused, evaluation by itself, and
// the published ResNets, whose every prediction must be PyTorch's.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "tests/integration/federation.hpp"
#include "tests/support/paths.hpp"

namespace fedloom::testing {
namespace {

class Weights : public ::testing::Test {
 protected:
  // A finished run of the small job and its weights.
  std::string trained() {
    (void)run_job(folder_ / "first", {});
    return folder_ / "first/model.safetensors";
  }

  nlohmann::json evaluated(const Words& words) {
    const Ended ended = finish(Words{"eval"} + words + Words{"--json"});
    EXPECT_EQ(ended.code, 0) << ended.err;
    return nlohmann::json::parse(ended.out);
  }

  std::string refusal(const Words& words) {
    const Ended ended = finish(words);
    EXPECT_EQ(ended.code, 2) << ended.err;
    return ended.err;
  }

  TempFolder folder_;
};

TEST_F(Weights, EvaluationFindsWhatTheRunReported) {
  const std::string file = trained();
  const RunSummary summary = read_summary(folder_ / "first/summary.json");
  const nlohmann::json found = evaluated({file, "--config", kSmallJob});
  EXPECT_DOUBLE_EQ(found["accuracy"].get<double>(), *summary.final_test_accuracy);
  EXPECT_NEAR(found["loss"].get<double>(), *summary.final_test_loss, 1e-9);
}

TEST_F(Weights, ARunStartsFromAFileAndAResumeNoticesAnother) {
  const std::string file = trained();
  const std::string copy = folder_ / "start.safetensors";
  std::filesystem::copy_file(file, copy);
  const Words from = set({"model.init=" + copy});
  const Outcome once = run_job(folder_ / "second", from);
  EXPECT_NE(once.model_hash, outcome_of(folder_ / "first").model_hash);
  EXPECT_EQ(once, run_job(folder_ / "again", from + set({"runtime.transport=inproc"})));

  // The same name with other weights: what was trained so far does not belong to them.
  std::filesystem::copy_file(folder_ / "second/model.safetensors", copy,
                             std::filesystem::copy_options::overwrite_existing);
  const std::string said = refusal(Words{"run", kSmallJob, "--out", folder_ / "second", "--resume"} + from);
  EXPECT_NE(said.find("other weights"), std::string::npos) << said;
}

TEST_F(Weights, MisfitsAreNamed) {
  const std::string file = trained();
  std::string said = refusal({"eval", file, "--model", "mlp", "--data", "synthetic"});
  EXPECT_NE(said.find("fc1.weight"), std::string::npos) << said;
  said = refusal({"eval", file, "--model", "softmax"});
  EXPECT_NE(said.find("--data"), std::string::npos) << said;
  said = refusal({"eval", folder_ / "none.safetensors", "--model", "softmax", "--data", "synthetic"});
  EXPECT_NE(said.find("none.safetensors"), std::string::npos) << said;
  said = refusal(Words{"run", kSmallJob, "--out", folder_ / "x"} + set({"model.init=none.safetensors"}));
  EXPECT_NE(said.find("none.safetensors"), std::string::npos) << said;
}

TEST_F(Weights, EvaluationTakesModelAndDataFromTheRunFolder) {
  const std::string file = trained();
  const RunSummary summary = read_summary(folder_ / "first/summary.json");
  EXPECT_DOUBLE_EQ(evaluated({file})["accuracy"].get<double>(), *summary.final_test_accuracy);
  const nlohmann::json few = evaluated({file, "--split", "train", "--limit", "25"});
  EXPECT_EQ(few["examples"], 25);
  EXPECT_EQ(few["split"], "train");
}

TEST_F(Weights, PoolingTrainsOneModelInPiecesToTheSameBits) {
  const Words pooled = set({"strategy=centralised", "rounds=3", "train.batch_size=64", "train.parallel=4"});
  const Outcome one = run_job(folder_ / "one", pooled + set({"runtime.threads=1"}));
  EXPECT_EQ(one, run_job(folder_ / "two", pooled));
  EXPECT_EQ(one, run_job(folder_ / "three", pooled + set({"runtime.threads=3", "runtime.workers=1"})));
}

TEST_F(Weights, OneModelTrainedInPiecesHasTheSameBitsForAnyThreads) {
  const Words pieces = set({"train.parallel=3"});
  const Outcome one = run_job(folder_ / "one", pieces + set({"runtime.threads=1"}));
  EXPECT_EQ(one, run_job(folder_ / "two", pieces + set({"runtime.threads=2", "runtime.workers=1"})));
}

// An mlp whose first layer is frozen, from a file: two of a federation's clients, deployed.
struct FrozenStart {
  explicit FrozenStart(const TempFolder& folder) {
    const Words job = set({"model={name: mlp, hidden: [4]}", "rounds=3"});
    (void)run_job(folder / "base", job);
    file = folder / "base/model.safetensors";
    words = job + set({"model.init=" + file, "adapter={name: freeze, train: [fc2]}", "seed=2"});
  }
  std::string file;
  Words words;
};

// The server's copy travels, once: clients need no file, and whatever they have of one is not read.
TEST_F(Weights, DeployedClientsNeedNoFile) {
  const FrozenStart start(folder_);
  DeployedFederation federation(folder_, 2, start.words);
  federation.start_server("tcp://127.0.0.1:0");
  for (std::size_t i = 0; i < 2; ++i) federation.start_client(i, "", set({"model.init=nowhere.safetensors"}));
  EXPECT_EQ(federation.expect_good_end().model_hash, federation.simulated().model_hash);
}

// PyTorch's classes as digits, behind comment lines; tests/golden/oracles/resnet_predictions.py made them.
std::string predictions_of_pytorch(int depth) {
  std::ifstream in(std::string(FEDLOOM_SOURCE_DIR) + "/tests/golden/oracles/resnet" + std::to_string(depth) +
                   "_cifar10_predictions.txt");
  std::string all;
  for (std::string line; std::getline(in, line);)
    if (!line.starts_with('#')) all += line;
  return all;
}

TEST_F(Weights, PublishedResnetsPredictWhatPytorchPredicts) {
  const char* data = std::getenv("FEDLOOM_DATA");
  if (data == nullptr ||
      !std::filesystem::exists(std::string(data) + "/weights/resnet20-cifar10.safetensors"))
    GTEST_SKIP() << "FEDLOOM_DATA does not hold weights/resnet20-cifar10.safetensors";
  struct Published {
    int depth;
    std::size_t examples;
    double accuracy;
  };
  for (const Published& net : {Published{20, 10000, 0.9173}, Published{56, 2000, 0.9295}}) {
    const std::string depth = std::to_string(net.depth);
    const std::string csv = folder_ / ("predictions" + depth + ".csv");
    const nlohmann::json found =
        evaluated({std::string(data) + "/weights/resnet" + depth + "-cifar10.safetensors", "--model",
                   "{name: resnet, depth: " + depth + "}", "--data",
                   "{name: cifar-10, mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225]}",
                   "--limit", std::to_string(net.examples), "--predictions", csv});
    EXPECT_DOUBLE_EQ(found["accuracy"].get<double>(), net.accuracy);
    std::ifstream in(csv);
    std::string digits;
    std::string line;
    std::getline(in, line);  // the header
    while (std::getline(in, line)) digits += line.substr(line.find(',') + 1);
    EXPECT_EQ(digits.size(), net.examples);
    EXPECT_EQ(digits, predictions_of_pytorch(net.depth)) << "ResNet-" << net.depth;
  }
}

}  // namespace
}  // namespace fedloom::testing
