// From the curve of the evaluated split.
#include "experiments/sweep/run_figures.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace fedloom {

namespace {

std::optional<double> finite(double value) {
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

std::optional<double> best(const std::vector<double>& accuracies) {
  std::optional<double> largest;
  for (const double value : accuracies)
    if (std::isfinite(value) && (!largest || value > *largest)) largest = value;
  return largest;
}

std::optional<double> spread_at_end(const std::vector<double>& accuracies) {
  const std::size_t quarter = (accuracies.size() + 3) / 4;
  return mean_spread({accuracies.end() - static_cast<std::ptrdiff_t>(quarter), accuracies.end()}).deviation;
}

void add_target(RunFigures& figures, const Curve& curve, double target, double ticks_per_second) {
  for (std::size_t i = 0; i < curve.size(); ++i)
    if (curve.accuracy[i] >= target) {
      figures.rounds_to_target = static_cast<double>(curve.rounds[i]);
      figures.time_to_target = curve.ticks[i] / ticks_per_second;
      return;
    }
}

}  // namespace

MeanSpread mean_spread(const std::vector<double>& values) {
  MeanSpread result;
  result.count = values.size();
  if (values.empty()) return result;
  const auto n = static_cast<double>(values.size());
  result.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  if (values.size() < 2) return result;
  double squares = 0.0;
  for (const double value : values) squares += (value - result.mean) * (value - result.mean);
  result.deviation = std::sqrt(squares / (n - 1));
  return result;
}

RunFigures run_figures(const RunData& run, const std::string& split, double target_accuracy) {
  RunFigures figures;
  figures.seed = run.started.seed;
  figures.ticks_are_time = run.started.ticks_per_second > 1;
  figures.rounds = static_cast<double>(run.figures.rounds);
  figures.bytes_up = static_cast<double>(run.figures.bytes_up);
  figures.bytes_down = static_cast<double>(run.figures.bytes_down);
  figures.wall_seconds = run.figures.wall_seconds;
  const auto found = run.splits.find(split);
  if (found == run.splits.end() || found->second.size() == 0) return figures;
  const Curve& curve = found->second;
  figures.last_accuracy = finite(curve.accuracy.back());
  figures.best_accuracy = best(curve.accuracy);
  figures.last_loss = finite(curve.loss.back());
  figures.spread_last_quarter = spread_at_end(curve.accuracy);
  if (target_accuracy > 0) add_target(figures, curve, target_accuracy, run.started.ticks_per_second);
  return figures;
}

}  // namespace fedloom
