// Cells first, then their three spellings.
#include "experiments/sweep/sweep_table.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/human_units.hpp"

namespace fedloom {

namespace {

using Cells = std::vector<std::vector<std::string>>;  // the first row names the columns

std::vector<double> values_of(const SweepRow& row, std::optional<double> RunFigures::*figure) {
  std::vector<double> values;
  for (const RunFigures& run : row.runs)
    if (const std::optional<double> value = run.*figure) values.push_back(*value);
  return values;
}

MeanSpread over_runs(const SweepRow& row, std::optional<double> RunFigures::*figure) {
  return mean_spread(values_of(row, figure));
}

MeanSpread over_runs(const SweepRow& row, double RunFigures::*figure) {
  std::vector<double> values;
  for (const RunFigures& run : row.runs) values.push_back(run.*figure);
  return mean_spread(values);
}

// ---- CSV ----

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

std::string mean_cell(const MeanSpread& figure) {
  return figure.count == 0 ? "" : fmt::format("{}", figure.mean);
}

void add_pair(std::vector<std::string>& cells, const MeanSpread& figure) {
  cells.push_back(mean_cell(figure));
  cells.push_back(figure.deviation ? fmt::format("{}", *figure.deviation) : "");
}

std::vector<std::string> csv_header(const SweepTable& table) {
  std::vector<std::string> cells = {"variant"};
  cells.insert(cells.end(), table.keys.begin(), table.keys.end());
  cells.insert(cells.end(), table.tuned_keys.begin(), table.tuned_keys.end());
  if (!table.tuned_keys.empty()) cells.emplace_back("tuned_at_edge");
  for (const char* name : {"split", "seeds", "last_accuracy", "last_accuracy_sd", "best_accuracy",
                           "best_accuracy_sd", "last_loss", "last_loss_sd", "spread_last_quarter", "rounds"})
    cells.emplace_back(name);
  if (table.target)
    for (const char* name :
         {"reached_target", "rounds_to_target", "rounds_to_target_sd", "time_to_target", "time_to_target_sd"})
      cells.emplace_back(name);
  for (const char* name : {"bytes_up", "bytes_down", "wall_seconds"}) cells.emplace_back(name);
  return cells;
}

std::vector<std::string> csv_row(const SweepTable& table, const SweepRow& row) {
  std::vector<std::string> cells = {row.variant};
  cells.insert(cells.end(), row.cells.begin(), row.cells.end());
  cells.insert(cells.end(), row.tuned.begin(), row.tuned.end());
  if (!table.tuned_keys.empty()) cells.push_back(fmt::format("{}", fmt::join(row.at_edge, " ")));
  cells.push_back(row.split);
  cells.push_back(fmt::format("{}", row.runs.size()));
  add_pair(cells, over_runs(row, &RunFigures::last_accuracy));
  add_pair(cells, over_runs(row, &RunFigures::best_accuracy));
  add_pair(cells, over_runs(row, &RunFigures::last_loss));
  cells.push_back(mean_cell(over_runs(row, &RunFigures::spread_last_quarter)));
  cells.push_back(mean_cell(over_runs(row, &RunFigures::rounds)));
  if (table.target) {
    const MeanSpread rounds = over_runs(row, &RunFigures::rounds_to_target);
    cells.push_back(fmt::format("{}", rounds.count));
    add_pair(cells, rounds);
    add_pair(cells, over_runs(row, &RunFigures::time_to_target));
  }
  cells.push_back(mean_cell(over_runs(row, &RunFigures::bytes_up)));
  cells.push_back(mean_cell(over_runs(row, &RunFigures::bytes_down)));
  cells.push_back(mean_cell(over_runs(row, &RunFigures::wall_seconds)));
  return cells;
}

// ---- for people ----

std::string percent_cell(const MeanSpread& figure) {
  if (figure.count == 0) return "-";
  if (!figure.deviation) return fmt::format("{:.2f}%", 100 * figure.mean);
  return fmt::format("{:.2f} ± {:.2f}%", 100 * figure.mean, 100 * *figure.deviation);
}

std::string number_cell(const MeanSpread& figure, const char* format) {
  if (figure.count == 0) return "-";
  const std::string mean = fmt::format(fmt::runtime(format), figure.mean);
  if (!figure.deviation) return mean;
  return fmt::format("{} ± {}", mean, fmt::format(fmt::runtime(format), *figure.deviation));
}

// Without speeds of devices a task takes a tick, which is no time.
std::string time_cell(const SweepRow& row) {
  const MeanSpread time = over_runs(row, &RunFigures::time_to_target);
  if (time.count == 0) return "-";
  return row.runs.front().ticks_are_time ? duration_text(time.mean) : fmt::format("{:.1f} ticks", time.mean);
}

std::string reached(const SweepRow& row, const MeanSpread& figure, const std::string& cell) {
  if (figure.count == row.runs.size()) return cell;
  return figure.count == 0 ? "never" : fmt::format("{} ({} of {})", cell, figure.count, row.runs.size());
}

std::vector<std::string> header(const SweepTable& table) {
  std::vector<std::string> cells = {"variant"};
  cells.insert(cells.end(), table.tuned_keys.begin(), table.tuned_keys.end());
  for (const char* name : {"seeds", "last accuracy", "best accuracy", "last loss", "spread, last quarter"})
    cells.emplace_back(name);
  if (table.target)
    for (const char* name : {"rounds to target", "time to target"}) cells.emplace_back(name);
  for (const char* name : {"up", "down", "wall time"}) cells.emplace_back(name);
  return cells;
}

std::vector<std::string> line(const SweepTable& table, const SweepRow& row) {
  std::vector<std::string> cells = {row.variant};
  for (std::size_t i = 0; i < row.tuned.size(); ++i) {
    const bool edge =
        std::find(row.at_edge.begin(), row.at_edge.end(), table.tuned_keys[i]) != row.at_edge.end();
    cells.push_back((row.tuned[i].empty() ? "-" : row.tuned[i]) + (edge ? " *" : ""));
  }
  const bool all = row.runs.size() == row.planned;
  cells.push_back(all ? fmt::format("{}", row.planned)
                      : fmt::format("{} of {}", row.runs.size(), row.planned));
  const bool test = row.split == "test" || row.split.empty();
  cells.push_back(percent_cell(over_runs(row, &RunFigures::last_accuracy)) +
                  (test ? "" : " (" + row.split + ")"));
  cells.push_back(percent_cell(over_runs(row, &RunFigures::best_accuracy)));
  cells.push_back(number_cell(over_runs(row, &RunFigures::last_loss), "{:.4f}"));
  MeanSpread spread = over_runs(row, &RunFigures::spread_last_quarter);
  spread.deviation.reset();
  cells.push_back(percent_cell(spread));
  if (table.target) {
    const MeanSpread rounds = over_runs(row, &RunFigures::rounds_to_target);
    cells.push_back(reached(row, rounds, number_cell(rounds, "{:.1f}")));
    cells.push_back(time_cell(row));
  }
  const bool none = row.runs.empty();
  cells.push_back(none ? "-" : bytes_text(over_runs(row, &RunFigures::bytes_up).mean));
  cells.push_back(none ? "-" : bytes_text(over_runs(row, &RunFigures::bytes_down).mean));
  cells.push_back(none ? "-" : duration_text(over_runs(row, &RunFigures::wall_seconds).mean));
  return cells;
}

Cells cells_for_people(const SweepTable& table) {
  Cells cells = {header(table)};
  for (const SweepRow& row : table.rows) cells.push_back(line(table, row));
  return cells;
}

std::string edge_note(const SweepTable& table) {
  const bool any = std::any_of(table.rows.begin(), table.rows.end(),
                               [](const SweepRow& row) { return !row.at_edge.empty(); });
  return any ? "\n* at the edge of its tuning grid: a better value may lie outside; widen the grid\n" : "";
}

std::string escaped(const std::string& text, char special) {
  std::string safe;
  for (const char c : text) {
    if (c == special) safe += '\\';
    safe += c;
  }
  return safe;
}

}  // namespace

std::string csv_text(const std::vector<std::vector<std::string>>& rows) {
  std::string text;
  for (std::vector<std::string> row : rows) {
    std::transform(row.begin(), row.end(), row.begin(), csv_cell);
    text += fmt::format("{}\n", fmt::join(row, ","));
  }
  return text;
}

std::string sweep_csv(const SweepTable& table) {
  Cells cells = {csv_header(table)};
  for (const SweepRow& row : table.rows) cells.push_back(csv_row(table, row));
  return csv_text(cells);
}

std::string sweep_text(const SweepTable& table) {
  const Cells cells = cells_for_people(table);
  std::vector<std::size_t> widths(cells.front().size(), 0);
  for (const auto& row : cells)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns_of(row[i]));
  std::string text;
  for (const auto& row : cells) {
    std::string written;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - columns_of(row[i]), ' ');
      written += i == 0 ? row[i] + space : "  " + space + row[i];
    }
    text += written + "\n";
  }
  return text + edge_note(table);
}

std::string sweep_markdown(const SweepTable& table) {
  const Cells cells = cells_for_people(table);
  std::string text;
  for (std::size_t r = 0; r < cells.size(); ++r) {
    for (const std::string& cell : cells[r]) text += "| " + escaped(escaped(cell, '|'), '*') + " ";
    text += "|\n";
    for (std::size_t i = 0; r == 0 && i < cells[r].size(); ++i) text += i == 0 ? "|---" : "|---:";
    if (r == 0) text += "|\n";
  }
  return text + escaped(edge_note(table), '*');
}

}  // namespace fedloom
