// Tasks, from their start to their verdict: who is asked, with which recipe and at which cost, what is made
// of the answer. When windows open and close is coordinator.cpp.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "server/coordinator.hpp"
#include "transport/codec.hpp"

namespace fedloom {

// Of a pacer that overlaps, a client that starts at a tick sees all that ends at it.
void Coordinator::ask_for_starts(Tick now) {
  if (starts_asked_ || pacer_.start(view()) == 0) return;
  starts_asked_ = true;
  port_.call(Moment::starts, now, open_window());
}

bool Coordinator::eligible(ClientId client, Tick now) const {
  if (population_.available && !population_.available(client, now)) return false;
  if (failing_ && failing_->rests(client, now)) return false;
  if (sums_.stage.number > 0 && examples_of(client) == 0) return false;
  const auto is_of_client = [client](const auto& tasks) {
    const auto task = tasks.lower_bound({client, 0});
    return task != tasks.end() && task->first.client == client;
  };
  return !cohort_.contains(client) && !is_of_client(state_.live) &&
         !(pacer_.waits() && is_of_client(accepted_)) && affords(client);
}

// In the stage of the open window, where there are stages.
std::uint64_t Coordinator::examples_of(ClientId client) const {
  return sums_.stage.number > 0 ? population_.stage_examples(client, sums_.stage.number)
                                : population_.examples(client);
}

void Coordinator::start_tasks(Tick now) {
  if (config_.duration > 0 && now >= config_.duration) return;  // they would be given up at once
  std::vector<ClientId> chosen;
  if (phase_->cohort == Phase::Cohort::same) {
    if (started_ == 0)
      std::copy_if(previous_.begin(), previous_.end(), std::back_inserter(chosen),
                   [this](ClientId client) { return affords(client); });
  } else if (const std::uint64_t count = pacer_.start(view()); count > 0 && !drawn_) {
    Candidates candidates;
    candidates.population = population_.clients;
    candidates.examples = [this](ClientId client) { return examples_of(client); };
    if (sums_.stage.number > 0 || population_.available || !state_.live.empty() || !cohort_.empty() ||
        !accepted_.empty() || budget_)
      candidates.eligible = [this, now](ClientId client) { return eligible(client, now); };
    // Keyed by window and by how many have started, so that a phase that tops up draws afresh.
    Random random(hides_clients() ? secret() : config_.seed, Stream::sampling, open_window(),
                  static_cast<std::uint32_t>(started_));
    chosen = sampler_.choose(candidates, count, random);
    if (chosen.empty() && budget_ && !somebody_affords()) budget_spent_ = true;
    // An empty draw counts, unless there was nobody to draw from.
    if (sampler_.independent() && !pacer_.overlaps()) drawn_ = !chosen.empty() || !candidates.list().empty();
    if (!drawn_ && chosen.size() < count && (pacer_.overlaps() || chosen.empty())) wait_for_clients(now);
  }
  for (const ClientId client : chosen) start_task(now, client);
}

// Where nobody says when a client comes, on_available() will.
void Coordinator::wait_for_clients(Tick now) {
  std::optional<Tick> first;
  if (failing_) first = failing_->next_end_of_rest(now);
  for (ClientId client = 0; population_.next_available && client < population_.clients; ++client) {
    const auto task = state_.live.lower_bound({client, 0});
    if ((task != state_.live.end() && task->first.client == client) || !affords(client)) continue;
    const auto when = population_.next_available(client, now + 1);
    if (when && (!first || *when < *first)) first = when;
  }
  if (!first || (!wakes_.empty() && *wakes_.begin() <= *first)) return;
  wakes_.insert(*first);
  port_.call(Moment::availability, *first, open_window());
}

void Coordinator::start_task(Tick now, ClientId client) {
  ClientRecord& record = state_.records[client];
  LiveTask live;
  Task& task = live.task;
  task.id = {client, ++record.tasks};
  task.window = open_window();
  task.kind = phase_->kind;
  task.version = state_.server.version;
  if (strategy_.traits().exchanges) task.shared.emplace_back("model");
  task.shared.insert(task.shared.end(), phase_->shared.begin(), phase_->shared.end());
  task.kept_version = record.kept_version;
  task.hold = config_.hold_updates;
  task.recipe = recipe_for(task.id, live.straggler);
  if (const std::int64_t steps = pacer_.steps(client, task.recipe, *facts_); steps > 0)
    task.recipe.steps = steps;
  live.started = now;
  live.examples = examples_of(client);
  strategy_.prepare(state_.server, task);
  if (budget_) protect(live);
  const bool own_model = task.extra("model") != nullptr;
  if (own_model) std::erase(task.shared, "model");
  std::uint64_t bytes_down =
      deployed_size(task) + (own_model ? charge_initial(client) : charge_model(client));
  for (const std::string& name : phase_->shared)
    bytes_down += deployed_shared_size(name, state_.server.slots.at(name).data.size());
  live.work = work_of(task.id, task.recipe, live.examples, bytes_down);
  live.work.bytes_up = bytes_up_of(task);
  closed_.bytes_down += bytes_down + deployed_verdict_size();
  ++started_;
  if (!pacer_.overlaps()) cohort_.insert(client);
  ++state_.versions.at(task.version).uses;
  if (failing_) failing_->asked(client);
  const LiveTask& kept = state_.live[task.id] = std::move(live);
  port_.emit(TaskStarted{open_window(), now, kept.task.id, kept.task.kind, kept.task.version, bytes_down});
  port_.start(kept);
}

// The bytes that bring the client the initial model, were it deployed: none when it has it, or draws it
// itself.
std::uint64_t Coordinator::charge_initial(ClientId client) {
  if (!config_.initial_travels || std::exchange(state_.records[client].has_initial, true)) return 0;
  return deployed_shared_size("initial", state_.server.model.layout().size());
}

// The same for all that it needs to have the current model.
std::uint64_t Coordinator::charge_model(ClientId client) {
  const std::uint64_t bytes = charge_initial(client);
  ClientRecord& record = state_.records[client];
  const Version current = state_.server.version;
  if (!strategy_.traits().exchanges || record.held_model == current) return bytes;
  const Version held = record.held_model == ClientRecord::kNoModel ? 0 : record.held_model;
  record.held_model = current;
  const bool patches = strategy_.traits().patches_model;
  // The model of version 0 is the initial one, which most strategies send all the same.
  if (current == 0 && (config_.initial_travels || patches)) return bytes;
  const std::vector<std::uint64_t>& steps = state_.patch_bytes;
  const Version behind = current - held;
  if (!patches || behind > steps.size()) return bytes + deployed_shared_size("model", exchanged_.size());
  return std::accumulate(steps.end() - static_cast<std::ptrdiff_t>(behind), steps.end(), bytes);
}

Recipe Coordinator::recipe_for(TaskId task, bool& straggler) const {
  Recipe recipe = phase_->recipe;
  if (config_.stragglers.fraction <= 0.0) return recipe;
  Random random(config_.seed, Stream::duration, task.client, task.number);
  straggler = random.bernoulli(config_.stragglers.fraction);
  // Li et al. 2020: a straggler completes a uniformly random number of epochs in [1, E).
  if (straggler && recipe.epochs > 1)
    recipe.epochs =
        1 + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(recipe.epochs - 1)));
  return recipe;
}

Work Coordinator::work_of(TaskId task, const Recipe& recipe, std::uint64_t examples,
                          std::uint64_t bytes_down) const {
  return {task, recipe.examples_seen(examples), bytes_down, update_bytes_};
}

std::uint64_t Coordinator::bytes_up_of(const Task& task) const {
  Update update;
  bool ordinary = true;
  for (const SlotSpec& slot : phase_->slots) {
    update.reports.push_back({slot.name, strategy_.slot_size(state_.server, slot, task)});
    ordinary = ordinary && update.reports.back().size == slot.size;
  }
  return ordinary ? update_bytes_ : deployed_size(update);
}

// What pacers plan with: a task of the experiment's recipe that has to be sent the model.
Work Coordinator::ordinary_work(ClientId client, std::int64_t steps) const {
  Recipe recipe = config_.recipe;
  if (steps > 0) recipe.steps = steps;
  return work_of({client, 0}, recipe, examples_of(client), task_bytes_);
}

Reason Coordinator::judge(const Update& update, const LiveTask& live) const {
  if (update.reason != Reason::none) return update.reason;
  if (live.straggler && !config_.stragglers.keep) return Reason::late;
  if (update.examples > live.examples) return Reason::range;
  if (!std::isfinite(update.loss_sum)) return Reason::not_finite;
  for (const auto& [name, value] : update.scalars)
    if (!std::isfinite(value)) return Reason::not_finite;
  for (const SlotSpec& slot : phase_->slots) {
    const auto report =
        std::find_if(update.reports.begin(), update.reports.end(),
                     [&](const SlotReport& candidate) { return candidate.name == slot.name; });
    if (report == update.reports.end() || report->size != strategy_.slot_size(state_.server, slot, live.task))
      return Reason::layout;
    if (!report->finite) return Reason::not_finite;
    if (static_cast<double>(report->largest) > slot.range) return Reason::range;
  }
  return pacer_.admit({update.id.client, update.examples, state_.server.version - live.task.version});
}

void Coordinator::on_finished(Tick now, const Update& update) {
  const auto it = state_.live.find(update.id);
  if (ended_ || it == state_.live.end()) return;  // the caller has already refused what nobody waits for
  const Reason reason = judge(update, it->second);
  if (reason == Reason::failed)
    last_failure_ = fmt::format("client {} says: {}", update.id.client, update.error);
  const bool too_late = reason == Reason::late || reason == Reason::stale;
  const Verdict verdict = reason == Reason::none ? Verdict::accepted
                          : too_late             ? Verdict::discarded
                                                 : Verdict::rejected;
  settle(now, update.id, verdict, reason, &update);
  check_hope();
  proceed(now);
}

void Coordinator::on_lost(Tick now, TaskId task, Reason reason) {
  if (ended_ || !state_.live.contains(task)) return;
  settle(now, task, Verdict::lost, reason, nullptr);
  check_hope();
  proceed(now);
}

void Coordinator::settle(Tick now, TaskId id, Verdict verdict, Reason reason, const Update* update) {
  const LiveTask live = std::move(state_.live.extract(id).mapped());
  TaskEnded event;
  event.window = open_window();
  event.tick = now;
  event.task = id;
  event.verdict = verdict;
  event.reason = reason;
  event.staleness = state_.server.version - live.task.version;
  if (update != nullptr) {
    event.examples = update->examples;
    event.steps = update->steps;
    if (update->loss_count > 0) event.train_loss = update->loss_sum / static_cast<double>(update->loss_count);
    event.bytes_up = deployed_size(*update);
    closed_.bytes_up += event.bytes_up;
  }
  count(verdict, reason);
  note_outcome(now, id.client, verdict);
  port_.emit(event);
  // An accepted update is still needed for the sum; its client hears when that is done.
  if (verdict == Verdict::accepted) return take_in(now, *update, live, event.staleness);
  port_.end(id, verdict, reason);
  release(live.task.version);
}

void Coordinator::count(Verdict verdict, Reason reason) {
  switch (verdict) {
    case Verdict::accepted:
      ++closed_.accepted;
      rejected_in_row_ = lost_in_row_ = 0;
      break;
    case Verdict::rejected:
      ++closed_.rejected;
      ++rejected_in_row_;
      last_rejection_ = reason;
      break;
    case Verdict::discarded: ++closed_.discarded; break;
    case Verdict::lost:
      ++closed_.lost;
      ++lost_in_row_;
      break;
    case Verdict::cancelled: ++closed_.cancelled; break;
  }
  ++state_.totals.tasks;
  if (verdict == Verdict::accepted) ++state_.totals.client_trainings;
}

void Coordinator::take_in(Tick now, const Update& update, const LiveTask& live, std::uint64_t staleness) {
  ClientRecord& record = state_.records[update.id.client];
  if (strategy_.traits().keeps_client_state) {
    if (record.kept_version > 0) superseded_.push_back({update.id.client, record.kept_version});
    record.kept_version = update.id.number;
  }
  if (population_.devices == nullptr) {
    record.observed.push_back({std::max<Tick>(1, now - live.started), update.steps});
    if (record.observed.size() > ClientRecord::kRemembered) record.observed.erase(record.observed.begin());
  }
  loss_sum_ += update.loss_sum;
  loss_count_ += update.loss_count;
  Accepted accepted;
  accepted.contribution = {update.id.client, update.examples, staleness};
  accepted.version = live.task.version;
  accepted.scalars = update.scalars;
  if (!pacer_.overlaps()) {
    accepted.weight = hides_clients() ? 1 : pacer_.weight(accepted.contribution, *facts_);
    port_.accept({update.id, accepted.weight});
  }
  accepted_[update.id] = std::move(accepted);
}

// The scale of a sum follows from the cohort alone, never from what arrives, so that terms may be added
// as they come. A client cannot claim more examples than it was registered with when its task was started.
void Coordinator::open_sum() {
  double total = 0.0;
  double largest = 1.0;
  for (const auto& [id, live] : state_.live) {
    const auto weight =
        hides_clients() ? 1.0 : static_cast<double>(pacer_.weight({id.client, live.examples, 0}, *facts_));
    total += weight;
    largest = std::max(largest, weight);
  }
  const std::uint64_t noise = hides_clients() ? 1 : 0;  // is one more term
  port_.open_sum(empty_sum(*phase_, largest, std::max(total, largest) + static_cast<double>(noise),
                           cohort_.size() + noise));
  sum_open_ = true;
}

}  // namespace fedloom
