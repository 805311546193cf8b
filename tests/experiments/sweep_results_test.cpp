// Figures of runs, the choice of the tuning, the table's spellings, and what a folder of an earlier call
// counts.
#include <gtest/gtest.h>

#include "experiments/experiment_file.hpp"
#include "experiments/sweep/past_run.hpp"
#include "experiments/sweep/sweep_console.hpp"
#include "experiments/sweep/sweep_table.hpp"
#include "experiments/sweep/tuning.hpp"
#include "tests/experiments/report_scene.hpp"

namespace fedloom {
namespace {

RunData run_with(const std::vector<double>& accuracies, const std::vector<double>& losses) {
  RunData run;
  run.started.seed = 4;
  run.started.ticks_per_second = 1000;
  run.figures.rounds = accuracies.size();
  run.figures.bytes_up = 10;
  Curve& curve = run.splits["test"];
  for (std::size_t i = 0; i < accuracies.size(); ++i) {
    curve.rounds.push_back(i + 1);
    curve.ticks.push_back(500.0 * static_cast<double>(i + 1));
    curve.accuracy.push_back(accuracies[i]);
    curve.loss.push_back(losses[i]);
  }
  return run;
}

// Of eight evaluations the last quarter are two, 0.6 and 0.8: mean 0.7, deviation sqrt(2 * 0.1^2 / 1).
TEST(RunFigures, AreThoseOfTheEvaluatedSplit) {
  const RunData run = run_with({0.1, 0.2, 0.3, 0.4, 0.9, 0.5, 0.6, 0.8}, {8, 7, 6, 5, 4, 3, 2, 1.5});
  const RunFigures figures = run_figures(run, "test", 0.4);
  EXPECT_EQ(figures.seed, 4U);
  EXPECT_EQ(figures.last_accuracy, 0.8);
  EXPECT_EQ(figures.best_accuracy, 0.9);
  EXPECT_EQ(figures.last_loss, 1.5);
  ASSERT_TRUE(figures.spread_last_quarter);
  EXPECT_NEAR(*figures.spread_last_quarter, 0.1 * std::sqrt(2.0), 1e-12);
  EXPECT_EQ(figures.rounds_to_target, 4.0);
  EXPECT_EQ(figures.time_to_target, 2.0);  // 4 * 500 ticks at 1000 a second
  EXPECT_TRUE(figures.ticks_are_time);
  EXPECT_EQ(figures.bytes_up, 10.0);
  EXPECT_FALSE(run_figures(run, "test", 0.95).rounds_to_target);
  EXPECT_FALSE(run_figures(run, "test", 0).rounds_to_target);
  EXPECT_FALSE(run_figures(run, "validation", 0.4).last_accuracy);
}

// Nine evaluations: the last quarter is rounded up to three. Four: a single one, which has no spread.
TEST(RunFigures, ALastQuarterOfOneHasNoSpread) {
  const std::vector<double> losses(9, 1.0);
  const RunFigures nine = run_figures(run_with({0, 0, 0, 0, 0, 0, 1, 2, 3}, losses), "test", 0);
  EXPECT_EQ(nine.spread_last_quarter, 1.0);
  EXPECT_FALSE(run_figures(run_with({0, 1, 2, 3}, losses), "test", 0).spread_last_quarter);
}

TEST(RunFigures, WhatIsNotFiniteIsAbsent) {
  const RunFigures figures = run_figures(run_with({0.5, 0.1}, {1, kNoNumber}), "test", 0);
  EXPECT_FALSE(figures.last_loss);
  EXPECT_EQ(figures.best_accuracy, 0.5);
}

// 1, 2, 4: mean 7/3, squares 16/9 + 1/9 + 25/9 = 42/9, over n - 1 = 2: 7/3.
TEST(MeanSpread, IsTheSampleDeviation) {
  const MeanSpread three = mean_spread({1, 2, 4});
  EXPECT_DOUBLE_EQ(three.mean, 7.0 / 3);
  ASSERT_TRUE(three.deviation);
  EXPECT_DOUBLE_EQ(*three.deviation, std::sqrt(7.0 / 3));
  EXPECT_FALSE(mean_spread({1}).deviation);
  EXPECT_EQ(mean_spread({}).count, 0U);
}

RunFigures tuned(double best, double last, std::optional<double> loss) {
  RunFigures figures;
  figures.best_accuracy = best;
  figures.last_accuracy = last;
  figures.last_loss = loss;
  return figures;
}

TEST(Tuning, TheMeanOverSeedsDecidesAndTiesGoToTheFirst) {
  const std::vector<RunFigures> a = {tuned(0.5, 0.25, 2), tuned(0.75, 0.5, 4)};
  EXPECT_EQ(tune_score(TuneBy::best_accuracy, a), 0.625);
  EXPECT_EQ(tune_score(TuneBy::last_accuracy, a), 0.375);
  EXPECT_EQ(tune_score(TuneBy::last_loss, a), 3.0);
  EXPECT_FALSE(tune_score(TuneBy::best_accuracy, {}));
  EXPECT_FALSE(tune_score(TuneBy::best_accuracy, {tuned(0.9, 0.9, 1), tuned(0.9, 0.9, std::nullopt)}))
      << "one of its runs diverged";
  EXPECT_EQ(tune_choice(TuneBy::best_accuracy, {0.5, 0.75, 0.75}), 1U);
  EXPECT_EQ(tune_choice(TuneBy::last_loss, {0.5, 0.75, 0.5}), 0U);
  EXPECT_EQ(tune_choice(TuneBy::last_accuracy, {std::nullopt, 0.1}), 1U);
  EXPECT_FALSE(tune_choice(TuneBy::last_accuracy, {std::nullopt, std::nullopt}));
}

TEST(Tuning, TheEdgeIsTheSmallestOrLargestOfSeveralNumbers) {
  const ConfigNode root = ConfigNode::from_text("lr: [0.1, 1e-3, 1]\nname: [a, b]\none: [1]", "grid");
  std::vector<SweepAxis> grid;
  for (const std::string& key : root.keys()) grid.push_back({key, root.child(key).items()});
  EXPECT_TRUE(keys_at_edge(grid, {0, 0, 0}).empty());
  EXPECT_EQ(keys_at_edge(grid, {1, 0, 0}), std::vector<std::string>{"lr"});
  EXPECT_EQ(keys_at_edge(grid, {2, 1, 0}), std::vector<std::string>{"lr"});
}

SweepTable small_table() {
  SweepTable table{{"strategy"}, {"train.lr"}, true, {}};
  RunFigures one = tuned(0.5, 0.5, 1), two = tuned(0.75, 0.75, 2);
  one.rounds = two.rounds = 10;
  one.rounds_to_target = 5;
  one.time_to_target = 5;
  one.bytes_up = two.bytes_up = 1000;
  one.wall_seconds = two.wall_seconds = 2;
  table.rows.push_back({"a,b", {"{name: x, mu: 1}"}, {"0.1"}, {"train.lr"}, "test", {one, two}, 2});
  table.rows.push_back({"c|d", {"fedavg"}, {""}, {}, "", {}, 2});
  return table;
}

// Mean of 0.5 and 0.75 is 0.625, their sample deviation 0.25 / sqrt(2) = 0.17677669529663687.
TEST(SweepTables, SayTheSameInThreeSpellings) {
  const SweepTable table = small_table();
  EXPECT_EQ(
      sweep_csv(table),
      "variant,strategy,train.lr,tuned_at_edge,split,seeds,last_accuracy,last_accuracy_sd,best_accuracy,"
      "best_accuracy_sd,last_loss,last_loss_sd,spread_last_quarter,rounds,reached_target,rounds_to_target,"
      "rounds_to_target_sd,time_to_target,time_to_target_sd,bytes_up,bytes_down,wall_seconds\n"
      "\"a,b\",\"{name: x, mu: 1}\",0.1,train.lr,test,2,0.625,0.1767766952966369,0.625,0.1767766952966369,"
      "1.5,0.7071067811865476,,10,1,5,,5,,1000,0,2\n"
      "c|d,fedavg,,,,0,,,,,,,,,0,,,,,,,\n");
  const std::string text = sweep_text(table);
  EXPECT_NE(text.find("62.50 ± 17.68%"), std::string::npos) << text;
  EXPECT_NE(text.find("5.0 (1 of 2)"), std::string::npos) << text;
  EXPECT_NE(text.find("0.1 *"), std::string::npos) << text;
  EXPECT_NE(text.find("0 of 2"), std::string::npos) << text;
  EXPECT_NE(text.find("widen the grid"), std::string::npos) << text;
  const std::string markdown = sweep_markdown(table);
  EXPECT_NE(markdown.find("| c\\|d | - | 0 of 2 |"), std::string::npos) << markdown;
  EXPECT_NE(markdown.find("| 0.1 \\* | 2 | 62.50 ± 17.68% |"), std::string::npos) << markdown;
}

ExperimentConfig config_of(const std::string& text) { return parse_experiment(text, "test.yaml").config; }

TEST(PastRuns, CountByWhatTheyWereRunWith) {
  const TempFolder folder;
  const std::string before = "rounds: 4\ntrain: {lr: 0.1}\n";
  EXPECT_EQ(past_run(folder.path(), config_of(before)), PastRun::none);
  write_text(folder / "resolved.yaml", resolved_yaml(config_of(before)));
  EXPECT_EQ(past_run(folder.path(), config_of(before)), PastRun::interrupted);
  EXPECT_EQ(past_run(folder.path(), config_of("rounds: 2\ntrain: {lr: 0.1}\n")), PastRun::interrupted);
  write_text(folder / "summary.json", "{}");
  EXPECT_EQ(past_run(folder.path(), config_of(before)), PastRun::finished);
  EXPECT_EQ(past_run(folder.path(), config_of(before + "runtime: {workers: 3}\nname: other\n")),
            PastRun::finished)
      << "how the machine runs it is no change";
  EXPECT_EQ(past_run(folder.path(), config_of("rounds: 9\ntrain: {lr: 0.1}\n")), PastRun::interrupted)
      << "more rounds go on from there";
  const std::string fewer =
      user_error_of([&] { (void)past_run(folder.path(), config_of("rounds: 2\ntrain: {lr: 0.1}\n")); });
  EXPECT_NE(fewer.find("rounds was 4, is now 2"), std::string::npos) << fewer;
  const std::string other = user_error_of(
      [&] { (void)past_run(folder.path(), config_of("rounds: 4\ntrain: {lr: 0.2}\nstrategy: fedprox\n")); });
  for (const char* part : {"train.lr was 0.1, is now 0.2", "strategy.name was fedavg, is now fedprox",
                           "strategy.mu was not there", "--out"})
    EXPECT_NE(other.find(part), std::string::npos) << other;
}

TEST(WhyItEnded, IsTheLastLineThatWasSaid) {
  const TempFolder folder;
  EXPECT_EQ(why_it_ended("exit code 2", folder / "nothere"), "exit code 2");
  write_text(folder / "output.txt", "warning: x\nfedloom: no such thing\n \n");
  EXPECT_EQ(why_it_ended("exit code 2", folder / "output.txt"), "exit code 2: fedloom: no such thing");
}

}  // namespace
}  // namespace fedloom
