// Grouping, means and thinning for the page, and their JSON.
#include "experiments/report/report_data.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/version.hpp"
#include "experiments/report/settings_table.hpp"

namespace fedloom {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kPointsOfPage = 40'000;  // over all curves; about 2 MB of JSON
constexpr std::size_t kPointsOfCurve = 800;    // more than a wide screen shows
constexpr std::size_t kClientsOfPartition = 400;
constexpr std::size_t kHistogramBins = 20;

// Six digits are more than a chart shows, and a third of the bytes.
Json rounded(double value) {
  if (!std::isfinite(value)) return nullptr;
  return std::strtod(fmt::format("{:.6g}", value).c_str(), nullptr);
}

template <class T>
Json picked(const std::vector<T>& values, const std::vector<std::size_t>& indices) {
  Json list = Json::array();
  for (const std::size_t i : indices) {
    if constexpr (std::is_floating_point_v<T>)
      list.push_back(rounded(values[i]));
    else
      list.push_back(values[i]);
  }
  return list;
}

Json curve_json(const Curve& curve, const std::vector<std::size_t>& at) {
  return {{"round", picked(curve.rounds, at)},      {"tick", picked(curve.ticks, at)},
          {"bytes", picked(curve.bytes, at)},       {"wall", picked(curve.wall, at)},
          {"accuracy", picked(curve.accuracy, at)}, {"loss", picked(curve.loss, at)}};
}

Json mean_json(const MeanCurve& curve, std::size_t limit) {
  const auto at = thinned(curve.mean.size(), limit);
  Json json = curve_json(curve.mean, at);
  json["accuracy_low"] = picked(curve.accuracy_low, at);
  json["accuracy_high"] = picked(curve.accuracy_high, at);
  json["loss_low"] = picked(curve.loss_low, at);
  json["loss_high"] = picked(curve.loss_high, at);
  return json;
}

Json spread_json(const Spread& spread, std::size_t limit) {
  const auto at = thinned(spread.rounds.size(), limit);
  Json json = {{"round", picked(spread.rounds, at)}, {"mean", picked(spread.mean, at)}};
  for (std::size_t i = 0; i < Spread::kShares.size(); ++i)
    json[fmt::format("p{:.0f}", 100 * Spread::kShares[i])] = picked(spread.quantiles[i], at);
  std::vector<std::uint64_t> bins(kHistogramBins, 0);
  for (const double value : spread.last_accuracies) {
    const auto bin = static_cast<std::size_t>(std::clamp(value, 0.0, 1.0) * kHistogramBins);
    ++bins[std::min(bin, kHistogramBins - 1)];
  }
  json["last_histogram"] = bins;  // equal bins over [0, 1]
  json["clients"] = spread.last_accuracies.size();
  return json;
}

Json partition_json(const Partition& partition) {
  const auto at = thinned(partition.counts.size(), kClientsOfPartition);
  return {{"classes", partition.classes},
          {"total", partition.total},
          {"ids", picked(partition.client_ids, at)},
          {"counts", picked(partition.counts, at)}};
}

Json run_json(const RunData& run, std::size_t limit) {
  Json json = {{"folder", run.folder}, {"name", run.name}, {"seed", run.started.seed}};
  json["state"] = !run.ended ? "unfinished" : run.ended->reason;
  json["figures"] = Json::parse(to_json(run.figures));
  for (const auto& [split, curve] : run.splits)
    json["splits"][split] = curve_json(curve, thinned(curve.size(), limit));
  json["train"] = curve_json(run.train, thinned(run.train.size(), limit));
  if (!run.spread.rounds.empty()) json["spread"] = spread_json(run.spread, limit);
  if (run.partition) json["partition"] = partition_json(*run.partition);
  return json;
}

Json group_json(const RunGroup& group, const std::vector<RunData>& runs, std::size_t limit) {
  Json json = {{"label", group.label}, {"runs", group.runs}};
  if (group.runs.size() < 2) return json;  // the page draws the run itself
  std::map<std::string, std::vector<const Curve*>> splits;
  std::vector<const Curve*> train;
  for (const std::size_t run : group.runs) {
    for (const auto& [split, curve] : runs[run].splits) splits[split].push_back(&curve);
    train.push_back(&runs[run].train);
  }
  for (const auto& [split, curves] : splits) json["splits"][split] = mean_json(mean_curve(curves), limit);
  json["train"] = mean_json(mean_curve(train), limit);
  return json;
}

// Ticks of a deployed run are nanoseconds of real time: they advance as the wall time does.
bool follows_wall_time(const Curve& curve) {
  if (curve.size() < 2) return false;
  const double wall = curve.wall.back() - curve.wall.front();
  const double ticks = 1e-9 * (curve.ticks.back() - curve.ticks.front());
  return wall > 0 && std::abs(ticks - wall) < 0.05 * wall;  // false where there is no wall time
}

// Virtual time says nothing new where every window lasts as long as the next (no device profiles), and real
// time is the wall time already.
bool simulated_time_informs(const std::vector<RunData>& runs) {
  for (const RunData& run : runs) {
    const bool real = std::any_of(run.splits.begin(), run.splits.end(),
                                  [](const auto& split) { return follows_wall_time(split.second); });
    std::set<double> lengths;
    for (std::size_t i = 1; i < run.train.size(); ++i)
      lengths.insert((run.train.ticks[i] - run.train.ticks[i - 1]) /
                     static_cast<double>(run.train.rounds[i] - run.train.rounds[i - 1]));
    if (!real && lengths.size() > 1) return true;
  }
  return false;
}

// Nanoseconds once ticks are that fine; plain ticks otherwise.
const char* tick_unit(const std::vector<RunData>& runs) {
  for (const RunData& run : runs)
    if (run.train.size() > 0 && run.train.ticks.back() >= 1e9) return "ns";
  return "ticks";
}

Json started_json(const RunStarted& started) {
  return {{"experiment", started.experiment}, {"strategy", started.strategy}, {"pacer", started.pacer},
          {"model", started.model},           {"data", started.data},         {"clients", started.clients},
          {"parameters", started.parameters}};
}

}  // namespace

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
    over_runs(&Curve::bytes, nullptr, nullptr);
    over_runs(&Curve::wall, nullptr, nullptr);
    over_runs(&Curve::accuracy, &result.accuracy_low, &result.accuracy_high);
    over_runs(&Curve::loss, &result.loss_low, &result.loss_high);
  }
  return result;
}

nlohmann::ordered_json report_data(const std::vector<RunData>& runs) {
  const std::vector<RunGroup> groups = group_runs(runs);
  std::size_t curves = 0;
  for (const RunData& run : runs) curves += run.splits.size() + 1;
  const std::size_t limit =
      std::clamp(kPointsOfPage / std::max<std::size_t>(curves, 1), std::size_t{50}, kPointsOfCurve);
  Json data = {{"generator", fmt::format("fedloom {}", kVersion)}};
  data["started"] = started_json(runs.front().started);
  data["simulated_time"] = simulated_time_informs(runs) ? Json(tick_unit(runs)) : Json();
  for (const RunGroup& group : groups) data["groups"].push_back(group_json(group, runs, limit));
  for (const RunData& run : runs) data["runs"].push_back(run_json(run, limit));
  data["settings"] = settings_json(runs, groups);
  data["notes"] = Json::array();
  for (const RunData& run : runs)
    for (const std::string& note : run.notes) data["notes"].push_back(note);
  return data;
}

}  // namespace fedloom
