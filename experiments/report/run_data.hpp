// What a report needs of one run, read back from its folder. Tolerant of runs that were interrupted or are
// still going; strict about files that say something wrong.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/config.hpp"
#include "core/events.hpp"
#include "experiments/report/curves.hpp"
#include "experiments/report/timeline.hpp"
#include "experiments/sinks/run_summary.hpp"

namespace fedloom {

/// How accuracy spreads over the clients, evaluation by evaluation, and in full for the last one.
struct Spread {
  static constexpr std::array<double, 7> kShares = {0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0};

  std::vector<WindowId> rounds;
  std::array<std::vector<double>, kShares.size()> quantiles;  // quantiles[i][evaluation] at kShares[i]
  std::vector<double> mean;
  std::vector<double> last_accuracies;  // of the last evaluation, ascending
};

/// One figure that the strategy or the server reports, round by round.
struct Reported {
  std::vector<WindowId> rounds;
  std::vector<double> values;
};

/// How many examples of which class the clients hold.
struct Partition {
  std::uint64_t classes = 0;
  std::vector<std::uint64_t> client_ids;           // of the clients below
  std::vector<std::vector<std::uint64_t>> counts;  // counts[i][class]
  std::uint64_t total = 0;                         // clients in the federation
};

/// Accuracies on the stages of a sequence, evaluation by evaluation.
struct Stages {
  std::vector<WindowId> rounds;
  std::vector<std::vector<double>> accuracies;  // accuracies[evaluation][stage - 1], of those seen by then
  std::vector<double> mean, forgetting, backward_transfer;
  std::map<std::uint64_t, std::vector<double>> ends;  // the matrix R: its row of each stage that has ended
};

struct RunData {
  std::string folder;
  std::string name;  // last part of the folder's path
  RunStarted started;
  std::optional<RunEnded> ended;
  RunSummary figures;  // summary.json; without one, what the events tell
  std::vector<std::pair<std::string, std::string>>
      settings;                              // dotted key, value; from resolved.yaml, in its order
  std::map<std::string, Curve> splits;       // "test", "validation", …
  Curve train;                               // a point per closed window; accuracy is NaN
  std::map<std::string, Reported> reported;  // WindowClosed::metrics by name
  Spread spread;
  Stages stages;                     // empty where data comes all at once
  std::optional<Timeline> timeline;  // of a run whose ticks are time
  std::optional<Partition> partition;
  std::vector<std::string> notes;  // what is missing, in sentences
};

/// Whether a tick has a unit.
inline bool is_timed(const RunStarted& run) { return run.ticks_per_second > 1.0; }

/// Reads a run folder. Throws UserError when it is none, or when one of its files is damaged.
RunData read_run_folder(const std::string& folder);

/// The settings of a YAML file as dotted keys: {"strategy.name", "fedavg"}; lists as "[a, b]".
std::vector<std::pair<std::string, std::string>> flat_settings(const std::string& yaml_file);
std::vector<std::pair<std::string, std::string>> flat_settings(const ConfigNode& root);

/// Reads {"classes": C, "clients": [[n_0, …, n_C-1], …], "total": N, "ids": […]}; "total" and "ids" may be
/// missing. Throws UserError.
Partition read_partition(const std::string& file);

}  // namespace fedloom
