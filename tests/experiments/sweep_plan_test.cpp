// Variants, candidates and runs of a sweep, their names, and what is refused before anything starts.
#include "experiments/sweep/sweep_plan.hpp"

#include <gtest/gtest.h>

#include "experiments/sweep/run_names.hpp"
#include "tests/experiments/report_scene.hpp"

namespace fedloom {
namespace {

using Names = std::vector<std::string>;

class SweepPlans : public ::testing::Test {
 protected:
  SweepPlans() {
    write_text(
        folder_ / "base.yaml",
        "seed: 7\nrounds: 20\ndata: {source: synthetic, clients: 30, validation: 0.1}\nmodel: softmax\n"
        "train: {lr: 0.5, batch_size: 10}\n");
  }
  SweepPlan plan(const std::string& text) {
    write_text(folder_ / "sweep.yaml", "experiment: base.yaml\n" + text);
    return SweepPlan(read_sweep_file(folder_ / "sweep.yaml", {}));
  }
  static Names names(const SweepPlan& plan) {
    Names all;
    for (const SweepVariant& variant : plan.variants()) all.push_back(variant.name);
    return all;
  }
  static Names folders(const std::vector<PlannedRun>& runs) {
    Names all;
    for (const PlannedRun& run : runs) all.push_back(run.folder);
    return all;
  }
  TempFolder folder_;
};

TEST_F(SweepPlans, WithoutAnythingItIsTheExperimentItself) {
  const SweepPlan one = plan("");
  EXPECT_EQ(names(one), Names{"base"});
  EXPECT_EQ(folders(one.main_runs(0, {})), Names{"base_seed=7"});
  EXPECT_EQ(one.experiment(one.main_runs(0, {})[0]).train.lr, 0.5);
}

TEST_F(SweepPlans, AGridIsAProductWhoseLastKeyIsFastest) {
  const SweepPlan grid = plan("grid: {train.lr: [0.1, 1e-2], strategy: [fedavg, {name: fedprox, mu: 2}]}\n");
  EXPECT_EQ(names(grid), (Names{"lr=0.1_strategy=fedavg", "lr=0.1_strategy=name-fedprox-mu-2",
                                "lr=1e-2_strategy=fedavg", "lr=1e-2_strategy=name-fedprox-mu-2"}));
  const ExperimentConfig last = grid.experiment(grid.main_runs(3, {})[0]);
  EXPECT_EQ(last.train.lr, 0.01);
  EXPECT_EQ(last.strategy.name, "fedprox");
  EXPECT_EQ(last.train.batch_size, 10);
}

TEST_F(SweepPlans, EveryEntryOfTheListTakesTheWholeGrid) {
  const SweepPlan both = plan(
      "list: {plain: {}, pull: {strategy: {name: fedprox, mu: 1}}}\ngrid: {train.lr: [1, 2]}\nseeds: [1, "
      "2]\n");
  EXPECT_EQ(names(both), (Names{"plain_lr=1", "plain_lr=2", "pull_lr=1", "pull_lr=2"}));
  EXPECT_EQ(folders(both.main_runs(2, {})), (Names{"pull_lr=1_seed=1", "pull_lr=1_seed=2"}));
  EXPECT_EQ(both.find("pull"), (std::vector<std::size_t>{2, 3}));
  EXPECT_EQ(both.find("plain_lr=2"), std::vector<std::size_t>{1});
  const std::string said = user_error_of([&] { (void)both.find("plian"); });
  EXPECT_NE(said.find("did you mean 'plain'"), std::string::npos) << said;
  const ExperimentConfig run = both.experiment(both.main_runs(3, {})[1]);
  EXPECT_EQ(run.seed, 2U);
  EXPECT_EQ(run.train.lr, 2.0);
  EXPECT_EQ(run.strategy.name, "fedprox");
}

TEST_F(SweepPlans, TuningRunsSeeTheValidationSplitAndTheWholeBudget) {
  const SweepPlan tuned = plan(
      "set: {evaluate.target_accuracy: 0.5}\nlist: {a: {}, b: {strategy: fedadam}}\n"
      "tune: {grid: {train.lr: [0.1, 0.2]}, seeds: [5, 6], set: {rounds: 3}}\n");
  EXPECT_EQ(folders(tuned.tuning_runs(1)), (Names{"tune/b_lr=0.1_seed=5", "tune/b_lr=0.1_seed=6",
                                                  "tune/b_lr=0.2_seed=5", "tune/b_lr=0.2_seed=6"}));
  const ExperimentConfig tuning = tuned.experiment(tuned.tuning_runs(1)[3]);
  EXPECT_EQ(tuning.evaluate.on, "validation");
  EXPECT_FALSE(tuning.evaluate.stop_at_target);
  EXPECT_EQ(tuning.rounds, 3U);
  EXPECT_EQ(tuning.train.lr, 0.2);
  EXPECT_EQ(tuning.seed, 6U);
  const ExperimentConfig main = tuned.experiment(tuned.main_runs(1, 1)[0]);
  EXPECT_EQ(main.evaluate.on, "test");
  EXPECT_TRUE(main.evaluate.stop_at_target);
  EXPECT_EQ(main.rounds, 20U);
  EXPECT_EQ(main.train.lr, 0.2);
  EXPECT_EQ(main.seed, 7U);
}

// Whatever is wrong in any run is known before the first one starts, and where it was written.
TEST_F(SweepPlans, AMistakeInAnyVariantIsRefusedWithItsPlaceInTheSweepFile) {
  const std::vector<std::pair<std::string, Names>> cases = {
      {"grid: {train.lrr: [1]}\n", {"sweep.yaml:2:20: train.lrr: unknown key", "'lr'", "lrr=1_seed=7"}},
      {"grid:\n  train.lr: [1, fast]\n", {"sweep.yaml:3:17: train.lr: expected a number", "'fast'"}},
      {"list:\n  a: {}\n  b: {strategy: fedprix}\n", {"sweep.yaml:4:17: strategy", "'fedprox'", "b_seed=7"}},
      {"list: {a: {strategy: {name: fedprox, nu: 1}}}\n",
       {"sweep.yaml:2:22: strategy.nu: unknown key", "'mu'"}},
      {"set: {rounds: -1}\n", {"sweep.yaml:2:15: rounds:"}},
      {"set: {rounds: 0}\n", {"sweep.yaml:2:15", "0 rounds and no duration"}},
      {"set: {seed.x: 1}\n", {"sweep.yaml:2:15", "listed under 'seeds'"}},
      {"tune: {grid: {train.lr: [1]}, set: {round: 1}}\n",
       {"sweep.yaml:2:44: round: unknown key", "'rounds'"}},
      {"set: {data.validation: 0}\ntune: {grid: {train.lr: [1]}}\n",
       {"tune chooses on the validation split, but data.validation is 0"}},
  };
  for (const auto& [text, expected] : cases) {
    const std::string said = user_error_of([&] { (void)plan(text); });
    for (const std::string& part : expected)
      EXPECT_NE(said.find(part), std::string::npos) << text << "expected: " << part << "\nfound: " << said;
  }
}

// 150^2 runs would be planned in a second and run for a year.
TEST_F(SweepPlans, RunsWithoutEndAreRefused) {
  std::string values = "1";
  for (int i = 2; i <= 150; ++i) values += ", " + std::to_string(i);
  const std::string said = user_error_of(
      [&] { (void)plan("grid: {train.epochs: [" + values + "], train.lr: [" + values + "]}\n"); });
  EXPECT_NE(said.find("more than 20000 runs"), std::string::npos) << said;
}

TEST(RunNames, AreFitForFoldersAndTellRunsApart) {
  EXPECT_EQ(folder_name("lr=0.1_strategy={name: fedprox, mu: 0.1}"), "lr=0.1_strategy=name-fedprox-mu-0.1");
  EXPECT_EQ(folder_name("../x"), "_..-x");
  EXPECT_EQ(folder_name(" / "), "_");
  const std::string longer = folder_name(std::string(300, 'a'));
  EXPECT_EQ(longer.size(), 100U);
  EXPECT_NE(longer, folder_name(std::string(301, 'a')));
  std::set<std::string> taken;
  EXPECT_EQ(unique_name("a", taken), "a");
  EXPECT_EQ(unique_name("A", taken), "A-2");
  EXPECT_EQ(unique_name("a", taken), "a-3");
  EXPECT_EQ(short_keys({"train.lr", "strategy.lr", "rounds"}), (Names{"train.lr", "strategy.lr", "rounds"}));
  EXPECT_EQ(short_keys({"train.lr", "strategy.mu"}), (Names{"lr", "mu"}));
}

}  // namespace
}  // namespace fedloom
