// What a sweep says on the terminal while it runs: a line per run that has ended, and in the end what failed.
// The table itself is sweep_table.hpp.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "experiments/sweep/run_figures.hpp"
#include "experiments/sweep/sweep_plan.hpp"

namespace fedloom {

/// "NAME: 2 variants x 3 seeds = 6 runs, after 8 tuning runs; in FOLDER".
std::string plan_text(const SweepPlan& plan, const std::string& folder);

/// `how` it ended and the last line that the process said, from the file of its output.
std::string why_it_ended(const std::string& how, const std::string& output_file);

/// Prints to stderr.
class SweepConsole {
 public:
  /// `runs` of this stage are left to do.
  void begin(const std::string& stage, std::size_t runs);
  void finished(const std::string& run, const RunFigures& figures);
  void failed(const std::string& run, const std::string& why);
  /// Something that is no run, such as a variant that could not be tuned, has failed.
  void failed_beside(const std::string& what, const std::string& why) { failures_.emplace_back(what, why); }
  void note(const std::string& text) const;
  bool any_failed() const { return !failures_.empty(); }
  /// Once more at the end, where they are seen; those of one cause together.
  void print_failures() const;

 private:
  void line(const std::string& run, const std::string& text);

  std::string stage_;
  std::size_t runs_ = 0;
  std::size_t ended_ = 0;
  std::vector<std::pair<std::string, std::string>> failures_;
};

}  // namespace fedloom
