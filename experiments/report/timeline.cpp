// Adding up and choosing. A task counts as busy time of its client from its start to its verdict, whatever
// the verdict: a client that is lost later has been taken up as well.
#include "experiments/report/timeline.hpp"

#include <algorithm>
#include <functional>
#include <set>
#include <tuple>

#include "experiments/report/curves.hpp"

namespace fedloom {

double Timeline::mean_staleness() const {
  double sum = 0.0, count = 0.0;
  for (const auto& [value, tasks_of_it] : staleness) {
    sum += static_cast<double>(value) * static_cast<double>(tasks_of_it);
    count += static_cast<double>(tasks_of_it);
  }
  return count > 0.0 ? sum / count : kNoNumber;
}

void TimelineFold::reach(Tick tick) { end_ = std::max(end_, tick); }

void TimelineFold::on(const FederationEvent& event) {
  if (const auto* opened = std::get_if<WindowOpened>(&event)) {
    if (!begin_) begin_ = opened->tick;
    reach(opened->tick);
  } else if (const auto* started = std::get_if<TaskStarted>(&event)) {
    live_[started->task] = tasks_.size();
    TaskBar& bar = tasks_.emplace_back();
    bar.task = started->task;
    bar.start = seconds(started->tick);
    bar.version = started->version;
    reach(started->tick);
  } else if (const auto* task = std::get_if<TaskEnded>(&event)) {
    ended(*task);
  } else if (const auto* closed = std::get_if<WindowClosed>(&event)) {
    window_ends_.push_back(seconds(closed->tick));
    reach(closed->tick);
  } else if (const auto* run = std::get_if<RunEnded>(&event)) {
    reach(run->tick);
  }
}

void TimelineFold::ended(const TaskEnded& event) {
  reach(event.tick);
  if (event.verdict == Verdict::accepted) ++staleness_[event.staleness];
  const auto found = live_.find(event.task);
  if (found == live_.end()) return;
  TaskBar& bar = tasks_[found->second];
  bar.end = seconds(event.tick);
  bar.staleness = event.staleness;
  bar.verdict = event.verdict;
  live_.erase(found);
}

Timeline TimelineFold::finish(const TimelineLimits& limits) {
  Timeline timeline;
  timeline.begin = seconds(begin_.value_or(0));
  timeline.end = std::max(seconds(end_), timeline.begin);
  timeline.tasks = tasks_.size();
  timeline.staleness = staleness_;
  for (const auto& [task, index] : live_) tasks_[index].end = timeline.end;
  add_busy(timeline);
  choose_rows(timeline, limits);
  return timeline;
}

void TimelineFold::add_busy(Timeline& timeline) const {
  const double length = timeline.end - timeline.begin;
  if (tasks_.empty() || length <= 0.0) return;
  std::map<ClientId, double> seconds_of;
  for (const TaskBar& bar : tasks_) seconds_of[bar.task.client] += bar.end - bar.start;
  double sum = 0.0;
  for (const auto& [client, seconds] : seconds_of) {
    timeline.busy.push_back(seconds / length);
    sum += timeline.busy.back();
  }
  timeline.idle = 1.0 - sum / static_cast<double>(timeline.busy.size());
  std::sort(timeline.busy.begin(), timeline.busy.end(), std::greater<>());
}

void TimelineFold::choose_rows(Timeline& timeline, const TimelineLimits& limits) {
  std::set<ClientId> clients;
  for (const TaskBar& bar : tasks_) clients.insert(bar.task.client);
  const std::vector<ClientId> all(clients.begin(), clients.end());
  for (const std::size_t i : thinned(all.size(), limits.rows)) timeline.rows.push_back(all[i]);

  std::erase_if(tasks_, [&](const TaskBar& bar) {
    return !std::binary_search(timeline.rows.begin(), timeline.rows.end(), bar.task.client);
  });
  std::sort(tasks_.begin(), tasks_.end(), [](const TaskBar& a, const TaskBar& b) {
    return std::tie(a.start, a.task.client, a.task.number) < std::tie(b.start, b.task.client, b.task.number);
  });
  timeline.shown_until = timeline.end;
  if (tasks_.size() > limits.bars) {
    // The part ends where the first bar that is left out begins.
    timeline.shown_until = tasks_[limits.bars].start;
    tasks_.resize(limits.bars);
  }
  timeline.bars = std::move(tasks_);

  std::vector<double> ends;
  for (const double end : window_ends_)
    if (end <= timeline.shown_until) ends.push_back(end);
  timeline.windows = ends.size();
  for (const std::size_t i : thinned(ends.size(), limits.window_ends))
    timeline.window_ends.push_back(ends[i]);
}

}  // namespace fedloom
