// Folds events.jsonl into curves and joins them with the other files of the folder.
#include "experiments/report/run_data.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "core/file.hpp"
#include "experiments/sinks/events_log.hpp"
#include "experiments/sinks/metrics_csv.hpp"

namespace fedloom {

namespace {

namespace fs = std::filesystem;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

bool is_of_task(std::string_view kind) { return kind == "task_started" || kind == "task_ended"; }

// `so_far` has heard the event already.
template <class Event>
void add_point(Curve& curve, const RunStarted& run, const RunSummary& so_far, const Event& event,
               double accuracy, double loss) {
  const auto tick = static_cast<double>(event.tick);
  curve.rounds.push_back(event.window);
  curve.ticks.push_back(tick);
  curve.seconds.push_back(is_timed(run) ? tick / run.ticks_per_second : kNone);
  curve.bytes.push_back(static_cast<double>(so_far.bytes_up + so_far.bytes_down));
  curve.bytes_up.push_back(static_cast<double>(so_far.bytes_up));
  curve.wall.push_back(kNone);
  curve.accuracy.push_back(accuracy);
  curve.loss.push_back(loss);
}

void add_spread(Spread& spread, const ClientsEvaluated& event) {
  std::vector<double> values = event.accuracies;
  std::erase_if(values, [](double value) { return !std::isfinite(value); });
  if (values.empty()) return;
  std::sort(values.begin(), values.end());
  spread.rounds.push_back(event.window);
  for (std::size_t i = 0; i < Spread::kShares.size(); ++i)
    spread.quantiles[i].push_back(quantile_of_sorted(values, Spread::kShares[i]));
  spread.mean.push_back(std::accumulate(values.begin(), values.end(), 0.0) /
                        static_cast<double>(values.size()));
  spread.last_accuracies = std::move(values);
}

void add_stages(Stages& stages, const StagesEvaluated& event) {
  stages.rounds.push_back(event.window);
  stages.accuracies.push_back(event.accuracies);
  stages.mean.push_back(event.mean_accuracy);
  stages.forgetting.push_back(event.forgetting);
  stages.backward_transfer.push_back(event.backward_transfer);
  if (event.ended) stages.ends[event.stage] = event.accuracies;
}

void fold(RunData& run, const RunSummary& so_far, const FederationEvent& event) {
  if (const auto* started = std::get_if<RunStarted>(&event)) {
    run.started = *started;
  } else if (const auto* closed = std::get_if<WindowClosed>(&event)) {
    if (closed->accepted > 0) add_point(run.train, run.started, so_far, *closed, kNone, closed->train_loss);
    for (const auto& [name, value] : closed->metrics) {
      run.reported[name].rounds.push_back(closed->window);
      run.reported[name].values.push_back(value);
    }
  } else if (const auto* e = std::get_if<Evaluated>(&event)) {
    add_point(run.splits[e->split], run.started, so_far, *e, e->accuracy, e->loss);
  } else if (const auto* stages = std::get_if<StagesEvaluated>(&event)) {
    add_stages(run.stages, *stages);
  } else if (const auto* clients = std::get_if<ClientsEvaluated>(&event)) {
    add_spread(run.spread, *clients);
  } else if (const auto* ended = std::get_if<RunEnded>(&event)) {
    run.ended = *ended;
  }
}

// Events have no wall time; the rows of metrics.csv do.
void add_wall_seconds(RunData& run, const std::string& file) {
  std::map<WindowId, double> seconds;
  for (const MetricsRow& row : read_metrics(file))
    if (row.contains("round") && row.contains("wall_seconds"))
      seconds[static_cast<WindowId>(row.find("round")->second)] = row.find("wall_seconds")->second;
  const auto fill = [&](Curve& curve) {
    for (std::size_t i = 0; i < curve.size(); ++i) {
      const auto found = seconds.find(curve.rounds[i]);
      if (found != seconds.end()) curve.wall[i] = found->second;
    }
  };
  for (auto& [split, curve] : run.splits) fill(curve);
  fill(run.train);
  if (!seconds.empty()) run.figures.wall_seconds = seconds.rbegin()->second;
}

void read_events(RunData& run, const std::string& file) {
  SummarySink summary;
  std::optional<TimelineFold> timeline;
  bool any = false;
  const auto use = [&](const FederationEvent& event) {
    any = true;
    summary.on(event);
    fold(run, summary.summary(), event);
    const auto* started = std::get_if<RunStarted>(&event);
    if (started != nullptr && is_timed(*started)) timeline.emplace(started->ticks_per_second);
    if (timeline) timeline->on(event);
  };
  // Tasks are nine lines of ten, and the windows hold their sums: only a timeline looks at each.
  for_each_event(file, kWholeFile, use,
                 [&](std::string_view kind) { return timeline.has_value() || !is_of_task(kind); });
  if (!any) throw user_error("{} holds no events yet: the run has not begun", file);
  if (timeline) run.timeline = timeline->finish();
  run.figures = summary.summary();
  run.figures.version.clear();  // of the reader, not of the run
}

std::string text_of(const ConfigNode& node) {
  if (node.is_scalar()) return node.text();
  std::vector<std::string> parts;
  if (node.is_list()) {
    for (const ConfigNode& item : node.items()) parts.push_back(text_of(item));
    return fmt::format("[{}]", fmt::join(parts, ", "));
  }
  for (const std::string& key : node.keys()) parts.push_back(key + ": " + text_of(node.child(key)));
  return fmt::format("{{{}}}", fmt::join(parts, ", "));
}

void flatten(const ConfigNode& node, const std::string& prefix,
             std::vector<std::pair<std::string, std::string>>& settings) {
  for (const std::string& key : node.keys()) {
    const ConfigNode child = node.child(key);
    if (child.is_map() && !child.keys().empty()) {
      flatten(child, prefix + key + ".", settings);
    } else {
      settings.emplace_back(prefix + key, child.is_map() ? "" : text_of(child));
    }
  }
}

}  // namespace

std::vector<std::pair<std::string, std::string>> flat_settings(const std::string& yaml_file) {
  const ConfigNode root = ConfigNode::from_file(yaml_file);
  if (!root.is_map()) throw user_error("{}: expected a map of settings", yaml_file);
  return flat_settings(root);
}

std::vector<std::pair<std::string, std::string>> flat_settings(const ConfigNode& root) {
  std::vector<std::pair<std::string, std::string>> settings;
  flatten(root, "", settings);
  return settings;
}

Partition read_partition(const std::string& file) {
  try {
    const auto json = nlohmann::json::parse(read_file(file));
    Partition partition;
    partition.classes = json.at("classes").get<std::uint64_t>();
    partition.counts = json.at("clients").get<std::vector<std::vector<std::uint64_t>>>();
    partition.total = json.value("total", static_cast<std::uint64_t>(partition.counts.size()));
    for (std::size_t i = 0; i < partition.counts.size(); ++i)
      if (partition.counts[i].size() != partition.classes)
        throw user_error("{}: client {} has counts of {} classes, expected {}", file, i,
                         partition.counts[i].size(), partition.classes);
    if (json.contains("ids")) {
      partition.client_ids = json["ids"].get<std::vector<std::uint64_t>>();
      if (partition.client_ids.size() != partition.counts.size())
        throw user_error("{}: {} ids for {} clients", file, partition.client_ids.size(),
                         partition.counts.size());
    } else {
      partition.client_ids.resize(partition.counts.size());
      std::iota(partition.client_ids.begin(), partition.client_ids.end(), std::uint64_t{0});
    }
    return partition;
  } catch (const nlohmann::json::exception& error) {
    throw user_error("{}: not a partition: {}", file, error.what());
  }
}

RunData read_run_folder(const std::string& folder) {
  if (!fs::is_directory(folder)) throw user_error("{} is not a folder; expected a run folder", folder);
  const auto file = [&](const char* name) { return (fs::path(folder) / name).string(); };
  if (!fs::exists(file("events.jsonl")))
    throw user_error(
        "{} is not a run folder: it has no events.jsonl; expected what `fedloom run --out` writes", folder);
  RunData run;
  run.folder = folder;
  const fs::path path = fs::absolute(folder).lexically_normal();
  run.name = (path.has_filename() ? path : path.parent_path()).filename().string();
  read_events(run, file("events.jsonl"));

  if (fs::exists(file("resolved.yaml")))
    run.settings = flat_settings(file("resolved.yaml"));
  else
    run.notes.push_back(fmt::format("{}: no resolved.yaml, so its settings are not shown.", run.name));
  if (fs::exists(file("metrics.csv")))
    add_wall_seconds(run, file("metrics.csv"));
  else
    run.notes.push_back(fmt::format("{}: no metrics.csv, so there is no wall time.", run.name));
  if (fs::exists(file("summary.json"))) run.figures = read_summary(file("summary.json"));
  if (fs::exists(file("partition.json"))) run.partition = read_partition(file("partition.json"));
  if (!run.ended)
    run.notes.push_back(
        fmt::format("{}: interrupted or still running; {} rounds so far.", run.name, run.figures.rounds));
  return run;
}

}  // namespace fedloom
