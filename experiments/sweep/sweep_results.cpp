// Figures are read once per run; the files are written anew each time.
#include "experiments/sweep/sweep_results.hpp"

#include "core/file.hpp"
#include "experiments/report/report.hpp"
#include "experiments/sweep/tuning.hpp"

namespace fedloom {

namespace {

std::vector<std::string> keys_of(const std::vector<SweepAxis>& axes) {
  std::vector<std::string> keys;
  for (const SweepAxis& axis : axes) keys.push_back(axis.key);
  return keys;
}

}  // namespace

SweepResults::SweepResults(const SweepPlan& plan, std::string folder)
    : plan_(plan), folder_(std::move(folder)), chosen_(plan.variants().size()) {}

const RunFigures& SweepResults::add(const PlannedRun& run, const ExperimentConfig& config) {
  const RunData data = read_run_folder(folder_of(run));
  const EvaluateConfig& evaluate = config.evaluate;
  Finished& finished = finished_[run.folder];
  finished = {run_figures(data, evaluate.on, evaluate.target_accuracy), evaluate.on,
              evaluate.target_accuracy > 0};
  return finished.figures;
}

std::vector<RunFigures> SweepResults::tuning_figures(std::size_t variant, std::size_t candidate) const {
  std::vector<RunFigures> figures;
  for (const PlannedRun& run : plan_.tuning_runs(variant))
    if (run.candidate == candidate && has(run)) figures.push_back(finished_.at(run.folder).figures);
  return figures;
}

// A candidate is judged by all of its seeds or not at all.
std::optional<double> SweepResults::score(std::size_t variant, std::size_t candidate) const {
  const std::vector<RunFigures> figures = tuning_figures(variant, candidate);
  if (figures.size() < plan_.file().tune->seeds.size()) return std::nullopt;
  return tune_score(plan_.file().tune->by, figures);
}

std::optional<std::size_t> SweepResults::choose(std::size_t variant) {
  std::vector<std::optional<double>> scores;
  for (std::size_t i = 0; i < plan_.candidates().size(); ++i) scores.push_back(score(variant, i));
  return chosen_[variant] = tune_choice(plan_.file().tune->by, scores);
}

SweepRow SweepResults::row(std::size_t variant) const {
  SweepRow row;
  row.variant = plan_.variants()[variant].name;
  row.cells = plan_.variants()[variant].cells;
  if (const auto& tune = plan_.file().tune) {
    row.tuned.resize(tune->grid.size());
    if (const std::optional<std::size_t> choice = chosen_[variant]) {
      row.tuned = plan_.candidates()[*choice].cells;
      row.at_edge = keys_at_edge(tune->grid, plan_.candidates()[*choice].indices);
    }
  }
  const std::vector<PlannedRun> runs = plan_.main_runs(variant, chosen_[variant]);
  row.planned = runs.size();
  for (const PlannedRun& run : runs) {
    const auto found = finished_.find(run.folder);
    if (found == finished_.end()) continue;
    row.split = found->second.split;
    row.runs.push_back(found->second.figures);
  }
  return row;
}

SweepTable SweepResults::table() const {
  SweepTable table;
  table.keys = keys_of(plan_.file().grid);
  if (plan_.file().tune) table.tuned_keys = keys_of(plan_.file().tune->grid);
  for (const auto& [folder, finished] : finished_) table.target = table.target || finished.target;
  for (std::size_t i = 0; i < plan_.variants().size(); ++i) table.rows.push_back(row(i));
  return table;
}

std::string SweepResults::tuning_csv() const {
  std::vector<std::vector<std::string>> rows = {{"variant"}};
  const std::vector<std::string> keys = keys_of(plan_.file().tune->grid);
  rows[0].insert(rows[0].end(), keys.begin(), keys.end());
  for (const char* name : {"seeds", "validation_score", "chosen"}) rows[0].emplace_back(name);
  for (std::size_t variant = 0; variant < plan_.variants().size(); ++variant)
    for (std::size_t i = 0; i < plan_.candidates().size(); ++i) {
      std::vector<std::string> cells = {plan_.variants()[variant].name};
      const std::vector<std::string>& values = plan_.candidates()[i].cells;
      cells.insert(cells.end(), values.begin(), values.end());
      cells.push_back(fmt::format("{}", tuning_figures(variant, i).size()));
      const std::optional<double> mean = score(variant, i);
      cells.push_back(mean ? fmt::format("{}", *mean) : "");
      cells.emplace_back(chosen_[variant] == i ? "yes" : "");
      rows.push_back(std::move(cells));
    }
  return csv_text(rows);
}

void SweepResults::write() const {
  const SweepTable all = table();
  write_file_atomically(folder_ + "/sweep.csv", sweep_csv(all), false);
  write_file_atomically(folder_ + "/sweep.md", sweep_markdown(all), false);
  if (plan_.file().tune) write_file_atomically(folder_ + "/tuning.csv", tuning_csv(), false);
  std::vector<std::string> folders;
  for (std::size_t i = 0; i < plan_.variants().size(); ++i)
    for (const PlannedRun& run : plan_.main_runs(i, chosen_[i]))
      if (has(run)) folders.push_back(folder_of(run));
  if (!folders.empty()) write_report(folders, folder_ + "/report.html");
}

}  // namespace fedloom
