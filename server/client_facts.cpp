// Means over draws, and over what was seen.
#include "server/client_facts.hpp"

#include <algorithm>
#include <cmath>

namespace fedloom {

namespace {

double whole_periods(Tick duration, Tick period) {
  return static_cast<double>(duration / period + (duration % period != 0 ? 1 : 0));
}

std::uint64_t sum_examples(const Population& population) {
  std::uint64_t sum = 0;
  for (ClientId client = 0; client < population.clients; ++client) sum += population.examples(client);
  return std::max<std::uint64_t>(1, sum);
}

}  // namespace

// ---- planned ----

PlannedFacts::PlannedFacts(const Population& population, const Devices& devices, WorkOf work_of)
    : population_(population), devices_(devices), work_of_(std::move(work_of)) {}

std::uint64_t PlannedFacts::all_examples() const {
  if (all_examples_ == 0) all_examples_ = sum_examples(population_);
  return all_examples_;
}

double PlannedFacts::mean(ClientId client, const std::function<double(Tick)>& of) const {
  const Work work = work_of_(client, 0);
  if (exact()) return of(devices_.typical(work));
  double sum = 0.0;
  for (std::uint64_t draw = 0; draw < kDraws; ++draw) sum += of(devices_.sample_duration(work, draw));
  return sum / static_cast<double>(kDraws);
}

double PlannedFacts::mean_duration(ClientId client) const {
  const auto known = durations_.find(client);
  if (known != durations_.end()) return known->second;
  const double value = mean(client, [](Tick duration) { return static_cast<double>(duration); });
  return durations_.emplace(client, value).first->second;
}

double PlannedFacts::mean_periods(ClientId client, Tick period) const {
  const auto known = periods_.find({client, period});
  if (known != periods_.end()) return known->second;
  const double value = mean(client, [period](Tick duration) { return whole_periods(duration, period); });
  return periods_.emplace(std::pair(client, period), value).first->second;
}

double PlannedFacts::total_rate() const {
  if (total_rate_ == 0.0)
    for (ClientId client = 0; client < population_.clients; ++client)
      total_rate_ += 1.0 / mean_duration(client);
  return total_rate_;
}

// ---- observed ----

ObservedFacts::ObservedFacts(const Population& population, const ClientRecords& records,
                             std::function<std::int64_t(ClientId)> recipe_steps)
    : population_(population), records_(records), recipe_steps_(std::move(recipe_steps)) {}

// Clients come and go, and bring other numbers of examples.
std::uint64_t ObservedFacts::all_examples() const { return sum_examples(population_); }

const std::vector<ObservedTask>* ObservedFacts::seen(ClientId client) const {
  const auto record = records_.find(client);
  return record == records_.end() || record->second.observed.empty() ? nullptr : &record->second.observed;
}

double ObservedFacts::mean_of_all() const {
  double sum = 0.0;
  double clients = 0.0;
  for (const auto& [client, record] : records_)
    if (!record.observed.empty()) {
      sum += mean_duration(client);
      clients += 1.0;
    }
  return clients == 0.0 ? 1.0 : sum / clients;
}

double ObservedFacts::mean_duration(ClientId client) const {
  const auto* tasks = seen(client);
  if (tasks == nullptr) return mean_of_all();
  double sum = 0.0;
  for (const ObservedTask& task : *tasks) sum += static_cast<double>(task.duration);
  return std::max(1.0, sum / static_cast<double>(tasks->size()));
}

double ObservedFacts::mean_periods(ClientId client, Tick period) const {
  const auto* tasks = seen(client);
  if (tasks == nullptr) return std::max(1.0, std::ceil(mean_of_all() / static_cast<double>(period)));
  double sum = 0.0;
  for (const ObservedTask& task : *tasks) sum += whole_periods(task.duration, period);
  return std::max(1.0, sum / static_cast<double>(tasks->size()));
}

double ObservedFacts::total_rate() const {
  double rate = 0.0;
  std::uint64_t known = 0;
  for (const auto& [client, record] : records_)
    if (!record.observed.empty()) {
      rate += 1.0 / mean_duration(client);
      ++known;
    }
  return rate +
         static_cast<double>(population_.clients - std::min(known, population_.clients)) / mean_of_all();
}

std::optional<Tick> ObservedFacts::duration_of_steps(ClientId client, std::int64_t steps) const {
  const auto* tasks = seen(client);
  if (tasks == nullptr) return std::nullopt;
  double per_step = 0.0;
  for (const ObservedTask& task : *tasks)
    per_step +=
        static_cast<double>(task.duration) / static_cast<double>(std::max<std::uint64_t>(1, task.steps));
  per_step /= static_cast<double>(tasks->size());
  const std::int64_t wanted = steps > 0 ? steps : recipe_steps_(client);
  return std::max<Tick>(1, std::llround(per_step * static_cast<double>(wanted)));
}

}  // namespace fedloom
