// Sweep files as people write them, right and wrong.
#include "experiments/sweep/sweep_file.hpp"

#include <gtest/gtest.h>

#include "tests/experiments/report_scene.hpp"

namespace fedloom {
namespace {

class SweepFiles : public ::testing::Test {
 protected:
  SweepFiles() { write_text(folder_ / "base.yaml", "rounds: 2\n"); }

  SweepFile read(const std::string& text, const std::vector<std::string>& assignments = {}) {
    write_text(folder_ / "sweep.yaml", "experiment: base.yaml\n" + text);
    return read_sweep_file(folder_ / "sweep.yaml", assignments);
  }
  std::string refusal(const std::string& text, const std::vector<std::string>& assignments = {}) {
    return user_error_of([&] { (void)read(text, assignments); });
  }
  TempFolder folder_;
};

std::vector<std::string> lines(const std::vector<Override>& overrides) {
  std::vector<std::string> all;
  for (const Override& entry : overrides) all.push_back(entry.key + "=" + entry.value.flow());
  return all;
}

using Lines = std::vector<std::string>;

TEST_F(SweepFiles, TheShortestHasAnExperimentAlone) {
  const SweepFile sweep = read("");
  EXPECT_EQ(sweep.name, "sweep");
  EXPECT_TRUE(std::filesystem::equivalent(sweep.experiment, folder_ / "base.yaml"));
  EXPECT_TRUE(sweep.grid.empty() && sweep.list.empty() && sweep.seeds.empty() && !sweep.tune);
  EXPECT_EQ(sweep.parallel, 1U);
}

TEST_F(SweepFiles, EverythingThatCanBeSaid) {
  const SweepFile sweep = read(
      "name: mine\nset: {train.epochs: 2}\ngrid: {train.batch_size: [10, 20]}\n"
      "list:\n  a: {strategy: fedavg}\n  b: {strategy: {name: fedprox, mu: 0.1}, train: {clip_norm: 1}}\n"
      "seeds: [3, 4]\ntune: {grid: {train.lr: [0.1, 1]}, seeds: [9], set: {rounds: 1}, by: last_loss}\n"
      "parallel: 2\n");
  EXPECT_EQ(sweep.name, "mine");
  EXPECT_EQ(lines(sweep.set), Lines{"train.epochs=2"});
  ASSERT_EQ(sweep.grid.size(), 1U);
  EXPECT_EQ(sweep.grid[0].key, "train.batch_size");
  EXPECT_EQ(sweep.grid[0].values.size(), 2U);
  ASSERT_EQ(sweep.list.size(), 2U);
  EXPECT_EQ(sweep.list[1].name, "b");
  EXPECT_EQ(lines(sweep.list[1].overrides),
            (Lines{"strategy={name: fedprox, mu: 0.1}", "train.clip_norm=1"}));
  EXPECT_EQ(sweep.seeds, (std::vector<std::uint64_t>{3, 4}));
  ASSERT_TRUE(sweep.tune);
  EXPECT_EQ(sweep.tune->by, TuneBy::last_loss);
  EXPECT_EQ(sweep.tune->seeds, std::vector<std::uint64_t>{9});
  EXPECT_EQ(lines(sweep.tune->set), Lines{"rounds=1"});
  EXPECT_EQ(sweep.parallel, 2U);
}

// A map with a name chooses a component and replaces; any other changes the keys it has.
TEST_F(SweepFiles, MapsAreGoneIntoUnlessTheyChooseAComponent) {
  const SweepFile sweep =
      read("set: {train: {lr: 1, optimizer: {name: sgd}}, data: {source: {name: csv}}}\n");
  EXPECT_EQ(lines(sweep.set),
            (Lines{"train.lr=1", "train.optimizer={name: sgd}", "data.source={name: csv}"}));
  const SweepFile renamed = read("set: {model.init.rename: {module.: ''}}\n");
  EXPECT_EQ(renamed.set.at(0).key, "model.init.rename");
}

TEST_F(SweepFiles, AssignmentsCountAsEntriesOfSet) {
  const SweepFile sweep = read("set: {train.lr: 1}\n", {"train.lr=2", "strategy={name: fedprox, mu: 1}"});
  EXPECT_EQ(lines(sweep.set), (Lines{"train.lr=1", "train.lr=2", "strategy={name: fedprox, mu: 1}"}));
  EXPECT_EQ(sweep.set[1].value.where(), "--set train.lr=2");
}

TEST_F(SweepFiles, WhatIsWrongIsSaidWithItsPlace) {
  const std::vector<std::pair<std::string, Lines>> cases = {
      {"gird: {train.lr: [1]}\n", {"sweep.yaml:2:7: gird: unknown key", "'grid'"}},
      {"grid: {train.lr: []}\n", {"sweep.yaml:2:18: grid.train.lr", "at least one value"}},
      {"grid: {train.lr: 0.1}\n", {"sweep.yaml:2:18: grid.train.lr", "expected a list"}},
      {"grid: {}\n", {"sweep.yaml:2:7: grid", "expected keys with lists"}},
      {"grid: [1]\n", {"sweep.yaml:2:7: grid", "expected keys with lists"}},
      {"grid: {train.lr: [1, 2, 1]}\n", {"sweep.yaml:2:25", "1 is in the list twice"}},
      {"grid: {seed: [1, 2]}\n", {"sweep.yaml:2:15", "seeds of a sweep are listed under 'seeds'"}},
      {"set: {name: x}\n", {"sweep.yaml:2:13", "named after what varies"}},
      {"set: 3\n", {"sweep.yaml:2:6: set", "expected a map"}},
      {"list: {a: 3}\n", {"sweep.yaml:2:11: list.a", "expected a map"}},
      {"list: [a]\n", {"sweep.yaml:2:7: list", "expected names of variants"}},
      {"seeds: 3\n", {"sweep.yaml:2:8: seeds", "expected a list of seeds"}},
      {"seeds: []\n", {"sweep.yaml:2:8: seeds", "expected a list of seeds"}},
      {"seeds: [1, 1]\n", {"sweep.yaml:2:8: seeds", "seed 1 is given twice"}},
      {"seeds: [1, x]\n", {"sweep.yaml:2:12: seeds[1]", "'x'"}},
      {"parallel: 0\n", {"sweep.yaml:2:11: parallel: 0 is out of range"}},
      {"name: a/b\n", {"sweep.yaml:2:7: name: 'a/b' cannot be the name of a folder"}},
      {"tune: {seeds: [1]}\n", {"sweep.yaml:2:7: tune", "grid is missing"}},
      {"tune: {grid: {train.lr: [1]}, by: luck}\n", {"sweep.yaml:2:35: tune.by", "best_accuracy"}},
      {"tune: {grid: {train.lr: [1]}, set: {evaluate.on: test}}\n",
       {"sweep.yaml:2:50", "validation split alone"}},
      {"tune: {grid: {train.lr: [1]}}\ngrid: {train.lr: [2]}\n", {"sweep.yaml:2:26", "keep one of the two"}},
      {"set: {train.lr: 1}\ngrid: {train.lr: [2]}\n",
       {"sweep.yaml:2:17", "grid has values for train.lr already"}},
      {"list: {a: {train.lr: 1}}\ngrid: {train.lr: [2]}\n", {"sweep.yaml:2:22", "keep one of the two"}},
      {"list: {a: {x: 1}, a: {x: 2}}\n", {"list.a", "twice"}},
  };
  for (const auto& [text, expected] : cases) {
    const std::string said = refusal(text);
    for (const std::string& part : expected)
      EXPECT_NE(said.find(part), std::string::npos) << text << "expected: " << part << "\nfound: " << said;
  }
}

TEST_F(SweepFiles, TheExperimentMustBeThere) {
  write_text(folder_ / "none.yaml", "seeds: [1]\n");
  EXPECT_NE(
      user_error_of([&] { (void)read_sweep_file(folder_ / "none.yaml", {}); }).find("experiment is missing"),
      std::string::npos);
  write_text(folder_ / "lost.yaml", "experiment: nothere.yaml\n");
  const std::string said = user_error_of([&] { (void)read_sweep_file(folder_ / "lost.yaml", {}); });
  EXPECT_NE(said.find("lost.yaml:1:13: experiment: there is no file"), std::string::npos) << said;
  EXPECT_NE(
      user_error_of([&] { (void)read_sweep_file(folder_ / "nothere.yaml", {}); }).find("cannot be opened"),
      std::string::npos);
  const std::string set = refusal("grid: {train.lr: [2]}\n", {"train.lr=1"});
  EXPECT_NE(set.find("--set train.lr=1: train.lr: grid has values"), std::string::npos) << set;
}

}  // namespace
}  // namespace fedloom
