// Pooling over seeds, bars of histograms, and the limits that keep the page small.
#include "experiments/report/timeline_json.hpp"

#include <algorithm>
#include <map>

#include <nlohmann/json.hpp>

#include "experiments/report/json_numbers.hpp"

namespace fedloom {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kStalenessBars = 30;
constexpr std::size_t kBusyBars = 200;
constexpr std::size_t kGantts = 20;  // of the first groups; 2000 bars are about 80 kB
constexpr int kTimeDigits = 8;

// Staleness of accepted tasks, over several runs.
std::map<std::uint64_t, std::uint64_t> pooled(const std::vector<const Timeline*>& timelines) {
  std::map<std::uint64_t, std::uint64_t> counts;
  for (const Timeline* timeline : timelines)
    for (const auto& [value, tasks] : timeline->staleness) counts[value] += tasks;
  return counts;
}

std::vector<const Timeline*> timelines_of(const std::vector<RunData>& runs, const RunGroup& group) {
  std::vector<const Timeline*> timelines;
  for (const std::size_t run : group.runs)
    if (runs[run].timeline) timelines.push_back(&*runs[run].timeline);
  return timelines;
}

// When the target was first reached; no number where it was not, or where its round was not evaluated.
double seconds_to_target(const RunData& run) {
  if (!run.figures.rounds_to_target) return kNoNumber;
  for (const auto& [split, curve] : run.splits)
    for (std::size_t i = 0; i < curve.size(); ++i)
      if (curve.rounds[i] == *run.figures.rounds_to_target) return curve.seconds[i];
  return kNoNumber;
}

Json figures_json(const RunData& run) {
  if (!run.timeline) return nullptr;
  const Timeline& timeline = *run.timeline;
  return {{"seconds", rounded(timeline.end - timeline.begin)},
          {"seconds_to_target", rounded(seconds_to_target(run))},
          {"clients", timeline.busy.size()},
          {"tasks", timeline.tasks},
          {"mean_staleness", rounded(timeline.mean_staleness())},
          {"max_staleness", timeline.staleness.empty() ? Json() : Json(timeline.staleness.rbegin()->first)},
          {"idle", rounded(timeline.idle)}};
}

Json staleness_json(const std::vector<const Timeline*>& timelines, const StalenessBins& bins) {
  std::vector<std::uint64_t> counts(bins.low.size(), 0);
  Timeline all;
  all.staleness = pooled(timelines);
  std::uint64_t total = 0;
  for (const auto& [value, tasks] : all.staleness) {
    const auto bin = std::upper_bound(bins.low.begin(), bins.low.end(), value) - bins.low.begin() - 1;
    counts[static_cast<std::size_t>(bin)] += tasks;
    total += tasks;
  }
  Json shares = Json::array();
  for (const std::uint64_t tasks : counts)
    shares.push_back(
        rounded(static_cast<double>(tasks) / static_cast<double>(std::max(total, std::uint64_t{1}))));
  return {{"counts", counts}, {"shares", shares}, {"mean", rounded(all.mean_staleness())}};
}

// Steps: the client at place `from` (a share of all, busiest first) and those after it are busy for `busy`.
Json busy_json(const Timeline& timeline) {
  Json from = Json::array(), busy = Json::array();
  for (const std::size_t i : thinned(timeline.busy.size(), kBusyBars)) {
    from.push_back(rounded(static_cast<double>(i) / static_cast<double>(timeline.busy.size())));
    busy.push_back(rounded(timeline.busy[i]));
  }
  return {{"from", from}, {"busy", busy}};
}

Json bars_json(const Timeline& timeline) {
  Json json = {{"row", Json::array()},    {"task", Json::array()},    {"start", Json::array()},
               {"end", Json::array()},    {"version", Json::array()}, {"staleness", Json::array()},
               {"verdict", Json::array()}};
  for (const TaskBar& bar : timeline.bars) {
    const auto row = std::lower_bound(timeline.rows.begin(), timeline.rows.end(), bar.task.client);
    json["row"].push_back(row - timeline.rows.begin());
    json["task"].push_back(bar.task.number);
    json["start"].push_back(rounded(bar.start, kTimeDigits));
    json["end"].push_back(rounded(bar.end, kTimeDigits));
    json["version"].push_back(bar.version);
    json["staleness"].push_back(bar.staleness);
    // An index into "verdicts" of the page's part; null while the client was still training.
    json["verdict"].push_back(bar.verdict ? Json(static_cast<int>(*bar.verdict)) : Json());
  }
  return json;
}

Json gantt_json(std::size_t run, const Timeline& timeline) {
  Json ends = Json::array();
  for (const double end : timeline.window_ends) ends.push_back(rounded(end, kTimeDigits));
  return {{"run", run},
          {"clients", timeline.rows},
          {"all_clients", timeline.busy.size()},
          {"begin", rounded(timeline.begin, kTimeDigits)},
          {"until", rounded(timeline.shown_until, kTimeDigits)},
          {"end", rounded(timeline.end, kTimeDigits)},
          {"windows", timeline.windows},
          {"window_ends", ends},
          {"bars", bars_json(timeline)}};
}

Json group_json(const std::vector<const Timeline*>& timelines, const StalenessBins& bins) {
  if (timelines.empty()) return nullptr;
  return {{"staleness", staleness_json(timelines, bins)}, {"busy", busy_json(*timelines.front())}};
}

}  // namespace

StalenessBins staleness_bins(const std::vector<const Timeline*>& timelines, std::size_t limit) {
  StalenessBins bins;
  const auto counts = pooled(timelines);
  if (counts.empty()) return bins;
  std::uint64_t total = 0, below = 0, last = 0;
  for (const auto& [value, tasks] : counts) total += tasks;
  for (const auto& [value, tasks] : counts) {
    last = value;
    if ((below += tasks) * 100 >= total * 99) break;
  }
  const std::uint64_t largest = counts.rbegin()->first;
  if (largest < limit) last = largest;  // a bar for each value
  const std::uint64_t most = last < largest ? limit - 1 : limit;
  const std::uint64_t width = last / most + 1;  // the smallest for which `most` bars reach `last`
  for (std::uint64_t low = 0; low <= last; low += width) {
    bins.low.push_back(low);
    bins.high.push_back(low + width - 1);
  }
  if (bins.high.back() >= largest) {
    bins.high.back() = largest;
  } else {
    bins.low.push_back(bins.high.back() + 1);
    bins.high.push_back(largest);
  }
  return bins;
}

nlohmann::ordered_json timelines_json(const std::vector<RunData>& runs, const std::vector<RunGroup>& groups) {
  std::vector<const Timeline*> all;
  for (const RunData& run : runs)
    if (run.timeline) all.push_back(&*run.timeline);
  if (all.empty()) return nullptr;
  const StalenessBins bins = staleness_bins(all, kStalenessBars);
  Json json = {{"low", bins.low}, {"high", bins.high}, {"gantts", Json::array()}};
  for (int verdict = 0; verdict <= static_cast<int>(Verdict::cancelled); ++verdict)
    json["verdicts"].push_back(to_string(static_cast<Verdict>(verdict)));
  for (const RunData& run : runs) json["runs"].push_back(figures_json(run));
  for (const RunGroup& group : groups) {
    json["groups"].push_back(group_json(timelines_of(runs, group), bins));
    const auto first = std::find_if(group.runs.begin(), group.runs.end(),
                                    [&](std::size_t run) { return runs[run].timeline.has_value(); });
    if (first != group.runs.end() && json["gantts"].size() < kGantts)
      json["gantts"].push_back(gantt_json(*first, *runs[*first].timeline));
  }
  return json;
}

}  // namespace fedloom
