// The JSON of runs and groups, and what of all runs together decides its form.
#include "experiments/report/report_data.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/version.hpp"
#include "experiments/report/json_numbers.hpp"
#include "experiments/report/settings_table.hpp"
#include "experiments/report/timeline_json.hpp"

namespace fedloom {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kPointsOfPage = 40'000;  // over all curves; about 2 MB of JSON
constexpr std::size_t kPointsOfCurve = 800;    // more than a wide screen shows
constexpr std::size_t kClientsOfPartition = 400;
constexpr std::size_t kHistogramBins = 20;

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

// What of a page's runs decides how every curve is written.
struct Form {
  bool timed = false;     // "time" is in seconds; null where a tick has no unit
  std::size_t limit = 0;  // points of a curve
};

Json curve_json(const Curve& curve, const std::vector<std::size_t>& at, const Form& form) {
  return {{"round", picked(curve.rounds, at)},
          {"time", picked(form.timed ? curve.seconds : curve.ticks, at)},
          {"bytes", picked(curve.bytes, at)},
          {"wall", picked(curve.wall, at)},
          {"accuracy", picked(curve.accuracy, at)},
          {"loss", picked(curve.loss, at)}};
}

// The directions apart, for a curve over time.
void add_directions(Json& json, const Curve& curve, const std::vector<std::size_t>& at) {
  for (const std::size_t i : at) {
    json["up"].push_back(rounded(curve.bytes_up[i]));
    json["down"].push_back(rounded(curve.bytes[i] - curve.bytes_up[i]));
  }
}

Json train_json(const Curve& curve, const Form& form) {
  const auto at = thinned(curve.size(), form.limit);
  Json json = curve_json(curve, at, form);
  if (form.timed) add_directions(json, curve, at);
  return json;
}

Json mean_json(const MeanCurve& curve, const Form& form) {
  const auto at = thinned(curve.mean.size(), form.limit);
  Json json = curve_json(curve.mean, at, form);
  if (form.timed) add_directions(json, curve.mean, at);
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

Json stages_json(const Stages& stages, std::size_t limit) {
  const auto at = thinned(stages.rounds.size(), limit);
  Json json = {{"round", picked(stages.rounds, at)},
               {"mean", picked(stages.mean, at)},
               {"forgetting", picked(stages.forgetting, at)},
               {"backward_transfer", picked(stages.backward_transfer, at)}};
  const auto row = [](const std::vector<double>& accuracies) {
    Json values = Json::array();
    for (const double accuracy : accuracies) values.push_back(rounded(accuracy));
    return values;
  };
  for (const std::size_t i : at) json["accuracy"].push_back(row(stages.accuracies[i]));
  json["matrix"] = Json::array();
  for (const auto& [stage, accuracies] : stages.ends)
    json["matrix"].push_back({{"stage", stage}, {"accuracy", row(accuracies)}});
  return json;
}

Json partition_json(const Partition& partition) {
  const auto at = thinned(partition.counts.size(), kClientsOfPartition);
  return {{"classes", partition.classes},
          {"total", partition.total},
          {"ids", picked(partition.client_ids, at)},
          {"counts", picked(partition.counts, at)}};
}

Json run_json(const RunData& run, const Form& form) {
  Json json = {{"folder", run.folder}, {"name", run.name}, {"seed", run.started.seed}};
  json["state"] = !run.ended ? "unfinished" : run.ended->reason;
  json["figures"] = Json::parse(to_json(run.figures));
  for (const auto& [split, curve] : run.splits)
    json["splits"][split] = curve_json(curve, thinned(curve.size(), form.limit), form);
  json["train"] = train_json(run.train, form);
  for (const auto& [name, reported] : run.reported) {
    const auto at = thinned(reported.rounds.size(), form.limit);
    json["reported"][name] = {{"round", picked(reported.rounds, at)}, {"value", picked(reported.values, at)}};
  }
  if (!run.spread.rounds.empty()) json["spread"] = spread_json(run.spread, form.limit);
  if (!run.stages.rounds.empty()) json["stages"] = stages_json(run.stages, form.limit);
  if (run.partition) json["partition"] = partition_json(*run.partition);
  return json;
}

Json group_json(const RunGroup& group, const std::vector<RunData>& runs, const Form& form) {
  Json json = {{"label", group.label}, {"runs", group.runs}};
  if (group.runs.size() < 2) return json;  // the page draws the run itself
  std::map<std::string, std::vector<const Curve*>> splits;
  std::vector<const Curve*> train;
  for (const std::size_t run : group.runs) {
    for (const auto& [split, curve] : runs[run].splits) splits[split].push_back(&curve);
    train.push_back(&runs[run].train);
  }
  for (const auto& [split, curves] : splits) json["splits"][split] = mean_json(mean_curve(curves), form);
  json["train"] = mean_json(mean_curve(train), form);
  return json;
}

// Time of a deployed run is real: it advances as the wall time does.
bool follows_wall_time(const Curve& curve) {
  if (curve.size() < 2) return false;
  const double wall = curve.wall.back() - curve.wall.front();
  const double time = curve.seconds.back() - curve.seconds.front();
  return wall > 0 && std::abs(time - wall) < 0.05 * wall;  // false where one of them is missing
}

// Real time is the wall time already, and ticks without a unit say nothing new where every window lasts as
// long as the next.
bool simulated_time_informs(const RunData& run) {
  if (is_timed(run.started))
    return std::none_of(run.splits.begin(), run.splits.end(),
                        [](const auto& split) { return follows_wall_time(split.second); });
  std::set<double> lengths;
  for (std::size_t i = 1; i < run.train.size(); ++i)
    lengths.insert((run.train.ticks[i] - run.train.ticks[i - 1]) /
                   static_cast<double>(run.train.rounds[i] - run.train.rounds[i - 1]));
  return lengths.size() > 1;
}

// The unit of the axis of simulated time; null for no such axis.
Json simulated_time(const std::vector<RunData>& runs, bool timed) {
  for (const RunData& run : runs)
    if (is_timed(run.started) == timed && simulated_time_informs(run)) return timed ? "s" : "ticks";
  return nullptr;
}

Json started_json(const RunStarted& started) {
  return {{"experiment", started.experiment}, {"strategy", started.strategy}, {"pacer", started.pacer},
          {"model", started.model},           {"data", started.data},         {"clients", started.clients},
          {"parameters", started.parameters}};
}

}  // namespace

nlohmann::ordered_json report_data(const std::vector<RunData>& runs) {
  const std::vector<RunGroup> groups = group_runs(runs);
  std::size_t curves = 0;
  for (const RunData& run : runs) curves += run.splits.size() + run.reported.size() + 1;
  Form form;
  form.limit = std::clamp(kPointsOfPage / std::max<std::size_t>(curves, 1), std::size_t{50}, kPointsOfCurve);
  form.timed =
      std::any_of(runs.begin(), runs.end(), [](const RunData& run) { return is_timed(run.started); });
  Json data = {{"generator", fmt::format("fedloom {}", kVersion)}};
  data["started"] = started_json(runs.front().started);
  data["simulated_time"] = simulated_time(runs, form.timed);
  for (const RunGroup& group : groups) data["groups"].push_back(group_json(group, runs, form));
  for (const RunData& run : runs) data["runs"].push_back(run_json(run, form));
  data["timeline"] = timelines_json(runs, groups);
  data["settings"] = settings_json(runs, groups);
  data["notes"] = Json::array();
  for (const RunData& run : runs)
    for (const std::string& note : run.notes) data["notes"].push_back(note);
  return data;
}

}  // namespace fedloom
