// The table of a sweep: one row per variant, over its finished runs. As CSV with all digits, aligned for
// terminals, and as Markdown.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "experiments/sweep/run_figures.hpp"

namespace fedloom {

struct SweepRow {
  std::string variant;
  std::vector<std::string> cells;    // as many as `keys`
  std::vector<std::string> tuned;    // as many as `tuned_keys`; empty strings before the choice
  std::vector<std::string> at_edge;  // tuned keys whose value is at the edge of its grid
  std::string split;                 // that the figures are of
  std::vector<RunFigures> runs;      // the finished ones
  std::size_t planned = 0;           // runs when all are finished
};

struct SweepTable {
  std::vector<std::string> keys;        // of the grid
  std::vector<std::string> tuned_keys;  // of the tuning
  bool target = false;                  // some run has a target accuracy
  std::vector<SweepRow> rows;
};

/// Columns: variant, the keys, the tuned keys, tuned_at_edge (keys, separated by spaces), split, seeds
/// (finished runs), then mean and sample standard deviation (_sd) over seeds: last_accuracy, best_accuracy,
/// last_loss, spread_last_quarter (mean), rounds (mean); with a target reached_target (runs),
/// rounds_to_target and time_to_target over those; bytes_up, bytes_down and wall_seconds (means). Cells
/// without a value are empty.
std::string sweep_csv(const SweepTable& table);

/// Rows of cells as CSV; cells are quoted where they must be.
std::string csv_text(const std::vector<std::vector<std::string>>& rows);

/// The same for people, rounded: "91.23 ± 0.12%".
std::string sweep_text(const SweepTable& table);
std::string sweep_markdown(const SweepTable& table);

}  // namespace fedloom
