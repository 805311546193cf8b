// The figures of one finished run that a sweep compares, and their mean and spread over seeds.
// They come from its events; what a single run shows of itself is experiments/sinks/run_summary.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "experiments/report/run_data.hpp"

namespace fedloom {

/// Of the split that the run was evaluated on. Absent: never evaluated, or no target was set or reached.
struct RunFigures {
  std::uint64_t seed = 0;
  std::optional<double> last_accuracy;  // share in [0, 1]
  std::optional<double> best_accuracy;
  std::optional<double> last_loss;
  /// Sample standard deviation of accuracy over the last quarter of the evaluations (rounded up); absent
  /// where that is a single one.
  std::optional<double> spread_last_quarter;
  std::optional<double> rounds_to_target;
  std::optional<double> time_to_target;  // simulated seconds, or ticks where those are no time
  bool ticks_are_time = false;
  double rounds = 0.0;
  double bytes_up = 0.0;
  double bytes_down = 0.0;
  double wall_seconds = 0.0;
};

/// target_accuracy: 0 is none. A loss or accuracy that is not finite is absent.
RunFigures run_figures(const RunData& run, const std::string& split, double target_accuracy);

/// Over the runs that have the figure.
struct MeanSpread {
  std::size_t count = 0;
  double mean = 0.0;                // with count 0: nothing
  std::optional<double> deviation;  // sample standard deviation (n - 1); absent below two
};
MeanSpread mean_spread(const std::vector<double>& values);

}  // namespace fedloom
