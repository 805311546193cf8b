// Means and thinning. Runs are joined at equal rounds: evaluations of two runs share no other measure.
// Nothing here knows what a value means.
#include "experiments/report/curves.hpp"

#include <algorithm>
#include <limits>
#include <map>

namespace fedloom {

std::vector<std::size_t> thinned(std::size_t size, std::size_t limit) {
  std::vector<std::size_t> indices;
  const std::size_t count = std::min(size, limit);
  for (std::size_t i = 0; i < count; ++i) indices.push_back(count == size ? i : i * (size - 1) / (count - 1));
  return indices;
}

MeanCurve mean_curve(const std::vector<const Curve*>& curves) {
  // Round -> index in every curve; only rounds that all have survive.
  std::map<WindowId, std::vector<std::size_t>> rounds;
  for (const Curve* curve : curves)
    for (std::size_t i = 0; i < curve->size(); ++i) rounds[curve->rounds[i]].push_back(i);
  MeanCurve result;
  for (const auto& entry : rounds) {
    const std::vector<std::size_t>& at = entry.second;
    if (at.size() != curves.size()) continue;
    result.mean.rounds.push_back(entry.first);
    const auto over_runs = [&](std::vector<double> Curve::*member, std::vector<double>* low,
                               std::vector<double>* high) {
      double sum = 0, smallest = std::numeric_limits<double>::infinity(), largest = -smallest;
      for (std::size_t k = 0; k < curves.size(); ++k) {
        const double value = (curves[k]->*member)[at[k]];
        sum += value;
        smallest = std::min(smallest, value);
        largest = std::max(largest, value);
      }
      (result.mean.*member).push_back(sum / static_cast<double>(curves.size()));
      if (low != nullptr) low->push_back(smallest);
      if (high != nullptr) high->push_back(largest);
    };
    over_runs(&Curve::ticks, nullptr, nullptr);
    over_runs(&Curve::seconds, nullptr, nullptr);
    over_runs(&Curve::bytes, nullptr, nullptr);
    over_runs(&Curve::bytes_up, nullptr, nullptr);
    over_runs(&Curve::wall, nullptr, nullptr);
    over_runs(&Curve::accuracy, &result.accuracy_low, &result.accuracy_high);
    over_runs(&Curve::loss, &result.loss_low, &result.loss_high);
  }
  return result;
}

}  // namespace fedloom
