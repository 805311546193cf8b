// Scores, the first best, and edges.
#include "experiments/sweep/tuning.hpp"

#include <algorithm>
#include <charconv>

namespace fedloom {

namespace {

std::optional<double> figure(TuneBy by, const RunFigures& run) {
  switch (by) {
    case TuneBy::best_accuracy: return run.best_accuracy;
    case TuneBy::last_accuracy: return run.last_accuracy;
    case TuneBy::last_loss: return run.last_loss;
  }
  return std::nullopt;
}

std::optional<double> number(const ConfigNode& node) {
  if (!node.is_scalar()) return std::nullopt;
  const std::string text = node.text();
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool at_edge(const SweepAxis& axis, std::size_t chosen) {
  std::vector<double> values;
  for (const ConfigNode& node : axis.values) {
    const std::optional<double> value = number(node);
    if (!value) return false;  // names have no order
    values.push_back(*value);
  }
  if (values.size() < 2) return false;
  const auto [smallest, largest] = std::minmax_element(values.begin(), values.end());
  return values[chosen] == *smallest || values[chosen] == *largest;
}

}  // namespace

std::optional<double> tune_score(TuneBy by, const std::vector<RunFigures>& runs) {
  std::vector<double> values;
  for (const RunFigures& run : runs) {
    // Accuracy of a model that has diverged is a matter of luck.
    if (!run.last_loss) return std::nullopt;
    const std::optional<double> value = figure(by, run);
    if (!value) return std::nullopt;
    values.push_back(*value);
  }
  if (values.empty()) return std::nullopt;
  return mean_spread(values).mean;
}

std::optional<std::size_t> tune_choice(TuneBy by, const std::vector<std::optional<double>>& scores) {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (!scores[i]) continue;
    const bool better =
        !best || (by == TuneBy::last_loss ? *scores[i] < *scores[*best] : *scores[i] > *scores[*best]);
    if (better) best = i;
  }
  return best;
}

std::vector<std::string> keys_at_edge(const std::vector<SweepAxis>& grid,
                                      const std::vector<std::size_t>& chosen) {
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < grid.size(); ++i)
    if (at_edge(grid[i], chosen[i])) keys.push_back(grid[i].key);
  return keys;
}

}  // namespace fedloom
