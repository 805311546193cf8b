// Lines of text; nothing is redrawn, so that they read the same in a log.
#include "experiments/sweep/sweep_console.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/file.hpp"
#include "core/human_units.hpp"

namespace fedloom {

namespace {

std::string counted(std::size_t count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string figures_text(const RunFigures& figures) {
  std::string text = "not evaluated";
  if (figures.last_accuracy) text = percent_text(*figures.last_accuracy);
  if (figures.best_accuracy) text += fmt::format(" (best {})", percent_text(*figures.best_accuracy));
  if (figures.last_loss) text += fmt::format(", loss {:.4f}", *figures.last_loss);
  return text + ", " + duration_text(figures.wall_seconds);
}

}  // namespace

std::string plan_text(const SweepPlan& plan, const std::string& folder) {
  const std::size_t variants = plan.variants().size();
  const std::size_t seeds = plan.seeds().size();
  std::string text = fmt::format("{}: {} x {} = {}", plan.file().name, counted(variants, "variant"),
                                 counted(seeds, "seed"), counted(variants * seeds, "run"));
  if (const auto& tune = plan.file().tune)
    text += fmt::format(", after {}",
                        counted(variants * plan.candidates().size() * tune->seeds.size(), "tuning run"));
  return text + "; in " + folder;
}

std::string why_it_ended(const std::string& how, const std::string& output_file) {
  std::string last;
  if (std::filesystem::exists(output_file)) {
    std::istringstream lines(read_file(output_file));
    for (std::string line; std::getline(lines, line);)
      if (line.find_first_not_of(" \t\r") != std::string::npos) last = line;
  }
  return last.empty() ? how : fmt::format("{}: {}", how, last);
}

void SweepConsole::begin(const std::string& stage, std::size_t runs) {
  stage_ = stage;
  runs_ = runs;
  ended_ = 0;
  if (runs == 0) fmt::print(stderr, "{}: all runs are finished\n", stage);
}

void SweepConsole::line(const std::string& run, const std::string& text) {
  ++ended_;
  const std::string width = fmt::format("{}", runs_);
  fmt::print(stderr, "{} {:>{}}/{}  {}  {}; {} left\n", stage_, ended_, width.size(), width, run, text,
             runs_ - ended_);
}

void SweepConsole::finished(const std::string& run, const RunFigures& figures) {
  line(run, figures_text(figures));
}

void SweepConsole::failed(const std::string& run, const std::string& why) {
  failures_.emplace_back(run, why);
  line(run, "failed: " + why);
}

void SweepConsole::note(const std::string& text) const { fmt::print(stderr, "{}\n", text); }

void SweepConsole::print_failures() const {
  if (failures_.empty()) return;
  constexpr std::size_t kMostNames = 4;
  fmt::print(stderr, "{}; the same command tries again:\n", counted(failures_.size(), "failure"));
  std::vector<std::string> causes;
  std::map<std::string, std::vector<std::string>> runs_of;
  for (const auto& [run, why] : failures_) {
    if (!runs_of.contains(why)) causes.push_back(why);
    runs_of[why].push_back(run);
  }
  for (const std::string& why : causes) {
    std::vector<std::string>& runs = runs_of[why];
    const std::size_t more = runs.size() - std::min(runs.size(), kMostNames);
    runs.resize(runs.size() - more);
    fmt::print(stderr, "  {}{}: {}\n", fmt::join(runs, ", "),
               more > 0 ? fmt::format(" and {} more", more) : "", why);
  }
}

}  // namespace fedloom
