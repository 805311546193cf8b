// What people get wrong: every mistake ends at once with exit code 2 (or the shell's own convention) and a
// line that names the place, what was found there and what would be right. Never a crash, never a hang.
#include <filesystem>

#include "core/random.hpp"
#include "tests/support/program.hpp"

namespace fedloom::testing {
namespace {

struct Mistake {
  const char* name;
  const char* yaml;                   // the experiment; "" is the small job
  Words words;                        // further words of `fedloom run`
  std::vector<std::string> expected;  // all of it stands in stderr
};

void PrintTo(const Mistake& mistake, std::ostream* out) { *out << mistake.name; }

class BadInput : public ::testing::Test {
 protected:
  /// The error output of a command that must be refused.
  std::string refusal(const Words& words) {
    const Ended ended = finish(words, folder_.path());
    EXPECT_EQ(ended.code, 2) << "signal " << ended.signal << "\n" << ended.err;
    EXPECT_FALSE(ended.err.empty());
    EXPECT_LT(ended.err.size(), 2000U) << ended.err;
    return ended.err;
  }
  TempFolder folder_;
};

class BadExperiment : public BadInput, public ::testing::WithParamInterface<Mistake> {};

TEST_P(BadExperiment, IsRefusedWithPlaceAndRemedy) {
  const Mistake& mistake = GetParam();
  const std::string file = *mistake.yaml == '\0' ? kSmallJob : folder_.write("exp.yaml", mistake.yaml);
  for (const char* verb : {"run", "check"}) {
    const Words out = std::string(verb) == "run" ? Words{"--out", folder_ / "run"} : Words{};
    const std::string said = refusal(Words{verb, file} + out + mistake.words);
    for (const std::string& part : mistake.expected)
      EXPECT_NE(said.find(part), std::string::npos) << "expected: " << part << "\nfound: " << said;
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run/events.jsonl")) << "a mistake leaves no run behind";
}

const std::vector<Mistake> kMistakes = {
    {"UnknownKey",
     "rounds: 3\ntrain:\n  lr: 0.1\n  epocs: 2\n",
     {},
     {"exp.yaml:4:10: train.epocs: unknown key", "'epochs'"}},
    {"UnknownSection", "rounds: 3\ntrian: {lr: 1}\n", {}, {"exp.yaml:2:8: trian: unknown key", "'train'"}},
    {"SweepFile",
     "experiment: base.yaml\nseeds: [1, 2]\n",
     {},
     {"exp.yaml:1:13: experiment: makes this the file of a sweep", "fedloom sweep "}},
    {"WrongType", "rounds: three\n", {}, {"exp.yaml:1:9: rounds: expected a whole number", "'three'"}},
    {"FractionForCount", "rounds: 1.5\n", {}, {"exp.yaml:1:9: rounds: expected a whole number", "'1.5'"}},
    {"TextForNumber", "train: {lr: fast}\n", {}, {"exp.yaml:1:13: train.lr: expected a number", "'fast'"}},
    {"ListForMap", "train: [1, 2]\n", {}, {"exp.yaml:1:8: train: expected a map"}},
    {"OutOfRange", "rounds: -1\n", {}, {"exp.yaml:1:9: rounds"}},
    {"NoEnd", "rounds: 0\n", {}, {"exp.yaml:1:9", "0 rounds and no duration"}},
    {"NegativeRate", "train:\n  lr: -1\n", {}, {"exp.yaml:2:7: train.lr: -1 is out of range", "> 0"}},
    {"NotANumber", "train: {lr: .nan}\n", {}, {"exp.yaml:1:13: train.lr"}},
    {"Huge", "rounds: 99999999999999999999999\n", {}, {"exp.yaml:1:9: rounds"}},
    {"UnknownUnit",
     "pacer: {name: sync, deadline: 5 parsecs}\n",
     {},
     {"exp.yaml:1:31: pacer.deadline", "parsecs", "ms"}},
    {"NoSuchChoice", "evaluate: {on: train}\n", {}, {"exp.yaml:1:16: evaluate.on", "test, validation"}},
    {"GivenTwice", "seed: 1\nrounds: 2\nseed: 2\n", {}, {"exp.yaml:3:1: seed", "twice"}},
    {"UnknownStrategy",
     "rounds: 2\nstrategy: fedavgg\n",
     {},
     {"exp.yaml:2:11: strategy", "'fedavg'", "scaffold"}},
    {"UnknownStrategyInMap",
     "strategy:\n  name: scafold\n",
     {},
     {"exp.yaml:2:9: strategy.name", "'scaffold'"}},
    {"UnknownSetting",
     "strategy: {name: fedprox, nu: 1}\n",
     {},
     {"exp.yaml:1:31: strategy.nu: unknown key", "'mu'"}},
    {"UnknownModel", "model: sofmax\n", {}, {"exp.yaml:1:8: model", "'softmax'"}},
    {"UnknownDataset", "data: {source: mnis}\n", {}, {"exp.yaml:1:16: data.source", "'mnist'"}},
    {"UnknownPartitioner",
     "data: {source: mnist, partition: dirichle}\n",
     {},
     {"exp.yaml:1:34: data.partition", "'dirichlet'"}},
    {"UnknownPacer", "pacer: synch\n", {}, {"exp.yaml:1:8: pacer", "'sync'"}},
    {"UnknownSampler", "sampler: unifrom\n", {}, {"exp.yaml:1:10: sampler", "'uniform'"}},
    {"UnknownOptimizer", "train: {optimizer: sdg}\n", {}, {"exp.yaml:1:20: train.optimizer", "'sgd'"}},
    {"NameThatLeadsElsewhere",
     "rounds: 2\nname: ../../x\n",
     {},
     {"exp.yaml:2:7: name: '../../x' cannot be the name of a run folder", "letters, digits"}},
    {"NameOfAHiddenFolder", "name: .runs\n", {}, {"exp.yaml:1:7: name: '.runs'"}},
    {"OverrideWithAPathForName", "", {"--set", "name=a/b"}, {"--set name=a/b: name: 'a/b'"}},
    {"OpenList", "seed: 1\nrounds: [1,2\n", {}, {"exp.yaml:3:1: not valid YAML"}},
    {"Tab", "seed: 1\n\trounds: 2\n", {}, {"exp.yaml:2:1: not valid YAML", "tab"}},
    {"OnlyAList", "- 1\n- 2\n", {}, {"exp.yaml: holds no experiment"}},
    {"OnlySpace", "\n \n", {}, {"exp.yaml: holds no experiment"}},
    {"NoData",
     "data: {source: mnist}\n",
     {"--data-dir", "nowhere"},
     {"nowhere/mnist", "fedloom data get mnist"}},
    {"NoValidation", "evaluate: {on: validation}\n", {}, {"data.validation"}},
    {"MissingPlugin", "plugins: [./nothere.so]\n", {}, {"nothere.so", "cannot be opened"}},
    {"OverrideWithoutValue", "", {"--set", "train.lr"}, {"--set train.lr: expected key=value"}},
    {"OverrideOfUnknownKey",
     "",
     {"--set", "train.epocs=2"},
     {"--set train.epocs=2: train.epocs: unknown key", "'epochs'"}},
    {"OverrideOfWrongType",
     "",
     {"--set", "train.lr=fast"},
     {"--set train.lr=fast: train.lr: expected a number"}},
    {"OverrideBelowAScalar", "", {"--set", "seed.x=1"}, {"seed"}},
    {"OverrideWithUnknownStrategy",
     "",
     {"--set", "strategy=fedavgg"},
     {"--set strategy=fedavgg: strategy", "'fedavg'"}},
};

INSTANTIATE_TEST_SUITE_P(Mistakes, BadExperiment, ::testing::ValuesIn(kMistakes),
                         [](const auto& instance) { return instance.param.name; });

TEST_F(BadInput, FilesThatAreNone) {
  EXPECT_NE(refusal({"run", "nothere.yaml"}).find("nothere.yaml: cannot be opened"), std::string::npos);
  EXPECT_NE(refusal({"run", folder_.path()}).find("is a folder"), std::string::npos);
  const std::string locked = folder_.write("deep/file", "x");
  EXPECT_NE(refusal({"run", kSmallJob, "--out", locked}).find(locked), std::string::npos);
  EXPECT_NE(refusal({"report", folder_ / "nothere"}).find("nothere"), std::string::npos);
  EXPECT_NE(refusal({"report", folder_.path()}).find(folder_.path()), std::string::npos);
}

// Bytes of every kind: refused, or an experiment by chance, but never a crash.
TEST_F(BadInput, GarbageForAnExperiment) {
  for (std::uint64_t trial = 0; trial < 12; ++trial) {
    Random random(trial, Stream::sampling, 4);
    std::string bytes = trial % 2 == 0 ? contents(kSmallJob) : std::string(1 + random.below(5000), '\0');
    for (std::size_t i = 0; i < 1 + bytes.size() / 20; ++i)
      bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
    const Ended ended = finish({"check", folder_.write("exp.yaml", bytes)}, folder_.path());
    EXPECT_TRUE(ended.code == 2 || ended.code == 0) << "signal " << ended.signal << ": " << ended.err;
  }
}

TEST_F(BadInput, WordsOnTheCommandLine) {
  const std::vector<std::pair<Words, std::string>> cases = {
      {{}, "subcommand"},
      {{"fly"}, "no verb 'fly'"},
      {{"rnu", kSmallJob}, "did you mean 'run'"},
      {{"run"}, "file"},
      {{"run", kSmallJob, "--colour"}, "--colour"},
      {{"run", kSmallJob, "--workers", "-3"}, "'-3'"},
      {{"run", kSmallJob, "--workers", "2000"}, "1024"},
      {{"run", kSmallJob, "--seed", "-1"}, "'-1'"},
      {{"run", kSmallJob, "--transport", "pigeon"}, "ipc, tcp, inproc"},
      {{"list", "strategees"}, "strategies"},
      {{"data", "get", "nosuch"}, "mnist"},
      {{"client", kSmallJob, "--client", "0", "--connect", "127.0.0.1:1"}, "tcp://HOST:PORT"},
      {{"client", kSmallJob, "--client", "0", "--connect", "tcp://127.0.0.1:0"}, "port"},
      {{"client", kSmallJob, "--client", "x", "--connect", "tcp://127.0.0.1:9"}, "--client"},
      {{"client", kSmallJob, "--client", "30", "--connect", "tcp://127.0.0.1:9"}, "0 … 29"},
      {{"server", kSmallJob, "--listen", "tcp://256.0.0.1:1"}, "256.0.0.1"},
      {{"server", kSmallJob, "--listen", "somewhere"}, "tcp://HOST:PORT"},
  };
  for (const auto& [words, expected] : cases) {
    const std::string said = refusal(words);
    EXPECT_NE(said.find(expected), std::string::npos) << "expected: " << expected << "\nfound: " << said;
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "runs/softmax_synthetic/events.jsonl"));
}

TEST_F(BadInput, AnEndpointThatIsTaken) {
  const auto first =
      start({"server", kSmallJob, "--listen", "tcp://127.0.0.1:0", "--out", folder_ / "first"});
  const std::string line = first->wait_for_line("listening on ");
  ASSERT_NE(line.find("tcp://"), std::string::npos) << first->err();
  const std::string endpoint = line.substr(line.find("tcp://"), line.find(';') - line.find("tcp://"));
  const std::string said = refusal({"server", kSmallJob, "--listen", endpoint, "--out", folder_ / "second"});
  EXPECT_NE(said.find(endpoint), std::string::npos) << said;
}

TEST_F(BadInput, AFileWithAnOddNameHasAFolderBelowRunsAllTheSame) {
  const std::string file = folder_.write("..my job.yaml", contents(kSmallJob));
  const Ended ended =
      finish(Words{"run", file, "--quiet", "--workers", "1"} + set({"rounds=1"}), folder_.path());
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_TRUE(std::filesystem::exists(folder_ / "runs/-.my-job/summary.json"));
  // What it wrote is an experiment as well.
  EXPECT_EQ(finish({"check", folder_ / "runs/-.my-job/resolved.yaml"}, folder_.path()).code, 0);
}

Words csv_words(const std::string& file) {
  return Words{"--out", "run"} +
         set({"data.source={name: csv, train: " + file + ", classes: 2}", "data.clients=2"});
}

TEST_F(BadInput, TablesWithFaults) {
  const std::string plain = folder_.write("plain.yaml", "rounds: 1\nevaluate: {every: 1}\n");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"x,y,label\n1,2,0\n3,4,7\n", ":3:5: the label '7'"},
      {"x,y,label\n1,2,0\n3,4,-1\n", ":3:5: the label '-1'"},
      {"x,y,label\n1,2,0\n3,pear,1\n", ":3:3: expected a finite number, found 'pear'"},
      {"x,y,label\n1,2,0\n3,nan,1\n", ":3:3: expected a finite number"},
      {"x,y,label\n1,2,0\n3,4\n", ":3:"},
      {"x,y,label\n1,\"2,0\n", ":2:3: the quote"},
      {"x,y,label\n", "no rows"},
      {"", "is empty"},
  };
  for (const auto& [bytes, expected] : cases) {
    const std::string file = folder_.write("table.csv", bytes);
    const std::string said = refusal(Words{"run", plain} + csv_words(file));
    EXPECT_NE(said.find("table.csv"), std::string::npos) << said;
    EXPECT_NE(said.find(expected), std::string::npos) << "expected: " << expected << "\nfound: " << said;
  }
  const std::string cut =
      folder_.write("table.csv.gz", std::string("\x1f\x8b\x08\0\0\0\0\0\0\3\x4b\x2c", 12));
  EXPECT_NE(refusal(Words{"run", plain} + csv_words(cut)).find("table.csv.gz"), std::string::npos);
}

TEST_F(BadInput, AStrategyThatCannotWorkWithTheOptimizer) {
  const Words words = set({"strategy=scaffold", "train.optimizer={name: sgd, momentum: 0.9}"});
  const std::string said =
      refusal(Words{"run", kSmallJob, "--quiet", "--workers", "1", "--out", "run"} + words);
  EXPECT_NE(said.find("scaffold needs plain SGD"), std::string::npos) << said;
  EXPECT_NE(refusal(Words{"check", kSmallJob} + words).find("--set train.optimizer="), std::string::npos);
  // Nothing worth resuming is left, so the mended experiment may use the folder.
  EXPECT_EQ(finish(Words{"run", kSmallJob, "--quiet", "--workers", "1", "--out", "run"} + set({"rounds=1"}),
                   folder_.path())
                .code,
            0);
}

}  // namespace
}  // namespace fedloom::testing
