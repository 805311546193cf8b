// The finished runs of a sweep: their figures, what tuning chose from them, and the files that show them.
// Who runs what, and when, is not known here.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "experiments/sweep/run_figures.hpp"
#include "experiments/sweep/sweep_plan.hpp"
#include "experiments/sweep/sweep_table.hpp"

namespace fedloom {

class SweepResults {
 public:
  /// `folder`: the sweep's, below which its runs lie. `plan` must outlive this.
  SweepResults(const SweepPlan& plan, std::string folder);

  std::string folder_of(const PlannedRun& run) const { return folder_ + "/" + run.folder; }

  /// Reads a finished run. Throws UserError when its folder is damaged.
  const RunFigures& add(const PlannedRun& run, const ExperimentConfig& config);
  bool has(const PlannedRun& run) const { return finished_.contains(run.folder); }

  /// Decides from the tuning runs that are finished. Nothing when none of them has a figure to go by.
  std::optional<std::size_t> choose(std::size_t variant);
  std::optional<std::size_t> chosen(std::size_t variant) const { return chosen_[variant]; }

  /// A row for every variant, finished or not.
  SweepTable table() const;
  /// Every candidate of every variant: its values, finished runs, mean score, and whether it was chosen.
  std::string tuning_csv() const;
  /// sweep.csv, sweep.md, report.html (all finished main runs overlaid), and tuning.csv where there is
  /// tuning. Throws UserError.
  void write() const;

 private:
  struct Finished {
    RunFigures figures;
    std::string split;
    bool target = false;
  };

  std::vector<RunFigures> tuning_figures(std::size_t variant, std::size_t candidate) const;
  std::optional<double> score(std::size_t variant, std::size_t candidate) const;
  SweepRow row(std::size_t variant) const;

  const SweepPlan& plan_;
  std::string folder_;
  std::map<std::string, Finished> finished_;  // by the run's folder
  std::vector<std::optional<std::size_t>> chosen_;
};

}  // namespace fedloom
