// Windows and verdicts. Every decision follows from the state, the configuration and the order of calls,
// never from a clock, a socket or an address.
#include "server/coordinator.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/hash.hpp"
#include "transport/codec.hpp"

namespace fedloom {

namespace {

constexpr std::uint64_t kHopelessWindows = 5;

}  // namespace

Coordinator::Coordinator(CoordinatorConfig config, const Strategy& strategy, const Pacer& pacer,
                         const Sampler& sampler, const Population& population, FederationPort& port,
                         FederationState state)
    : config_(std::move(config)),
      strategy_(strategy),
      pacer_(pacer),
      sampler_(sampler),
      population_(population),
      port_(port),
      state_(std::move(state)),
      exchanged_(strategy.exchanged(state_.server.model.layout())) {}

void Coordinator::begin(Tick now) {
  if (state_.windows == 0) {
    strategy_.start(state_.server, {population_.clients, config_.seed});
    port_.emit(RunStarted{config_.experiment, config_.strategy_name, config_.pacer_name, config_.model_name,
                          config_.data_name, config_.seed, population_.clients,
                          state_.server.model.layout().size(), state_.server.model.layout().fingerprint(),
                          config_.ticks_per_second});
    publish_model();
    state_.now = now;
    if (config_.evaluate_every > 0) evaluate(now);
  } else {
    publish_model();
    const bool evaluated = config_.evaluate_every > 0 && state_.windows % config_.evaluate_every == 0;
    finish_if_done(now, evaluated);
    if (ended_) return;
  }
  open(now);
  proceed(now);
}

void Coordinator::on_available(Tick now) {
  if (!ended_ && phase_ && started_ == 0) proceed(now);
}

void Coordinator::proceed(Tick now) {
  while (!ended_) {
    if (!phase_ && !make_phase(now)) {
      close_window(now);
      if (!ended_) open(now);
      continue;
    }
    start_tasks(now);
    // With nobody to start, the window waits for on_available().
    if (started_ > 0 && !sum_open_) open_sum();
    if (started_ == 0 || !pacer_.close(view(now))) return;
    close_phase(now);
  }
}

void Coordinator::open(Tick now) {
  opened_ = now;
  sums_ = {};
  sums_.window = open_window();
  closed_ = {};
  loss_sum_ = 0.0;
  loss_count_ = 0;
  cohort_.clear();
  port_.emit(WindowOpened{open_window(), now, state_.server.version});
}

bool Coordinator::make_phase(Tick now) {
  previous_.assign(cohort_.begin(), cohort_.end());
  cohort_.clear();
  accepted_.clear();
  started_ = 0;
  sum_open_ = false;
  late_ = false;
  Recipe base = config_.recipe;
  base.learning_rate =
      scheduled_rate(config_.schedule, base.learning_rate, static_cast<std::int64_t>(state_.windows),
                     static_cast<std::int64_t>(config_.windows)) *
      std::pow(config_.lr_decay, static_cast<double>(state_.windows));
  phase_ = strategy_.next_phase(state_.server, sums_, base);
  if (!phase_) return false;
  // Shared slots other than the model are sent whole at the start of the phase that needs them.
  for (const std::string& name : phase_->shared)
    port_.publish(
        {state_.server.version, state_.server.version, Payload::from(name, state_.server.slots.at(name))});
  if (const auto when = pacer_.deadline(view(now)); when && sums_.phases.empty())
    port_.set_deadline(open_window(), *when);
  return true;
}

void Coordinator::start_tasks(Tick now) {
  std::vector<ClientId> chosen;
  if (phase_->cohort == Phase::Cohort::same) {
    if (started_ == 0) chosen = previous_;
  } else if (const std::uint64_t count = pacer_.start(view(now)); count > 0) {
    Candidates candidates;
    candidates.population = population_.clients;
    candidates.examples = population_.examples;
    if (population_.available || !live_.empty() || !cohort_.empty())
      candidates.eligible = [this](ClientId client) {
        if (population_.available && !population_.available(client)) return false;
        return !cohort_.contains(client) &&
               live_.lower_bound({client, 0}) == live_.lower_bound({client + 1, 0});
      };
    // Keyed by window and by how many have started, so that a phase that tops up draws afresh.
    Random random(config_.seed, Stream::sampling, open_window(), static_cast<std::uint32_t>(started_));
    chosen = sampler_.choose(candidates, count, random);
  }
  for (const ClientId client : chosen) start_task(now, client);
}

void Coordinator::start_task(Tick now, ClientId client) {
  ClientRecord& record = state_.records[client];
  Task task;
  task.id = {client, ++record.tasks};
  task.window = open_window();
  task.kind = phase_->kind;
  task.version = state_.server.version;
  if (strategy_.traits().exchanges) task.shared.emplace_back("model");
  task.shared.insert(task.shared.end(), phase_->shared.begin(), phase_->shared.end());
  task.kept_version = record.kept_version;
  task.hold = config_.hold_updates;
  LiveTask live;
  task.recipe = recipe_for(task.id, live.straggler);
  live.version = task.version;
  live.examples = population_.examples(client);
  strategy_.prepare(state_.server, task);
  live.bytes_down = deployed_size(task);
  for (const std::string& name : phase_->shared)
    live.bytes_down += deployed_shared_size(name, state_.server.slots.at(name).data.size());
  live.bytes_down += charge_model(client);
  closed_.bytes_down += live.bytes_down + deployed_verdict_size();
  ++started_;
  cohort_.insert(client);
  live_[task.id] = live;
  port_.emit(TaskStarted{open_window(), now, task.id, task.kind, task.version, live.bytes_down});
  port_.start(task);
}

// The bytes that bring the client the current model, were it deployed: none when it has it already.
std::uint64_t Coordinator::charge_model(ClientId client) {
  if (!strategy_.traits().exchanges) return 0;
  ClientRecord& record = state_.records[client];
  if (record.held_model == state_.server.version) return 0;
  record.held_model = state_.server.version;
  return deployed_shared_size("model", exchanged_.size());
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
    if (report == update.reports.end() || report->size != slot.size) return Reason::layout;
    if (!report->finite) return Reason::not_finite;
    if (static_cast<double>(report->largest) > slot.range) return Reason::range;
  }
  return pacer_.admit({update.examples, state_.server.version - live.version});
}

void Coordinator::on_finished(Tick now, const Update& update) {
  const auto it = live_.find(update.id);
  if (it == live_.end()) return;  // the caller has already refused what nobody waits for
  const Reason reason = judge(update, it->second);
  const Verdict verdict = reason == Reason::none   ? Verdict::accepted
                          : reason == Reason::late ? Verdict::discarded
                                                   : Verdict::rejected;
  settle(now, update.id, verdict, reason, &update);
  proceed(now);
}

void Coordinator::on_lost(Tick now, TaskId task, Reason reason) {
  if (!live_.contains(task)) return;
  settle(now, task, Verdict::lost, reason, nullptr);
  proceed(now);
}

void Coordinator::settle(Tick now, TaskId id, Verdict verdict, Reason reason, const Update* update) {
  const LiveTask live = live_.at(id);
  live_.erase(id);
  TaskEnded event;
  event.window = open_window();
  event.tick = now;
  event.task = id;
  event.verdict = verdict;
  event.reason = reason;
  event.staleness = state_.server.version - live.version;
  if (update != nullptr) {
    event.examples = update->examples;
    event.steps = update->steps;
    if (update->loss_count > 0) event.train_loss = update->loss_sum / static_cast<double>(update->loss_count);
    event.bytes_up = deployed_size(*update);
    closed_.bytes_up += event.bytes_up;
  }
  switch (verdict) {
    case Verdict::accepted: ++closed_.accepted; break;
    case Verdict::rejected:
      ++closed_.rejected;
      last_rejection_ = reason;
      break;
    case Verdict::discarded: ++closed_.discarded; break;
    case Verdict::lost: ++closed_.lost; break;
    case Verdict::cancelled: ++closed_.cancelled; break;
  }
  ++state_.totals.tasks;
  if (verdict == Verdict::accepted) ++state_.totals.client_trainings;
  port_.emit(event);
  // An accepted update is still needed for the sum; its client hears when that is done.
  if (verdict == Verdict::accepted)
    take_in(*update, event.staleness);
  else
    port_.end(id, verdict, reason);
}

void Coordinator::take_in(const Update& update, std::uint64_t staleness) {
  if (strategy_.traits().keeps_client_state) {
    std::uint32_t& kept = state_.records[update.id.client].kept_version;
    if (kept > 0) superseded_.push_back({update.id.client, kept});
    kept = update.id.number;
  }
  loss_sum_ += update.loss_sum;
  loss_count_ += update.loss_count;
  const std::uint64_t weight = pacer_.weight({update.examples, staleness});
  accepted_[update.id] = {weight, update.scalars};
  port_.accept({update.id, weight});
}

// The scale of a sum follows from the cohort alone, never from what arrives, so that terms may be added
// as they come. A client cannot claim more examples than it was registered with when its task was started.
void Coordinator::open_sum() {
  double total = 0.0;
  double largest = 1.0;
  for (const auto& [id, live] : live_) {
    if (!cohort_.contains(id.client)) continue;
    const auto weight = static_cast<double>(pacer_.weight({live.examples, 0}));
    total += weight;
    largest = std::max(largest, weight);
  }
  port_.open_sum(empty_sum(*phase_, largest, std::max(total, largest), cohort_.size()));
  sum_open_ = true;
}

WindowView Coordinator::view(Tick now) const {
  WindowView view;
  view.window = open_window();
  view.opened = opened_;
  view.now = now;
  view.population = population_.clients;
  view.started = started_;
  view.live = live_.size();
  view.accepted = accepted_.size();
  view.late = late_;
  return view;
}

void Coordinator::on_deadline(Tick now, WindowId window) {
  if (window != open_window() || !phase_ || ended_) return;
  late_ = true;
  if (!pacer_.close_late(view(now))) return;
  close_phase(now);
  proceed(now);
}

void Coordinator::close_phase(Tick now) {
  const WindowView at_close = view(now);
  if (pacer_.cancels_at_close()) {
    std::vector<TaskId> left;
    for (const auto& [id, live] : live_) left.push_back(id);
    WindowView punctual = at_close;
    punctual.late = false;
    const Reason reason = pacer_.close(punctual) ? Reason::surplus : Reason::late;
    for (const TaskId id : left) settle(now, id, Verdict::cancelled, reason, nullptr);
  }
  PhaseSum sum = port_.close_sum();
  sum.accepted = accepted_.size();
  double total = 0.0;
  for (const auto& [id, accepted] : accepted_) {
    total += static_cast<double>(accepted.weight);
    for (const auto& [name, value] : accepted.scalars) sum.scalars[name] += value;
    port_.end(id, Verdict::accepted, Reason::none);
  }
  const double normaliser = pacer_.normaliser(at_close).value_or(total);
  for (auto& [name, slot] : sum.slots) {
    const double terms = static_cast<double>(accepted_.size());
    slot.normaliser = std::max(1.0, slot.weighting == Weighting::uniform ? terms : normaliser);
  }
  sums_.phases.emplace_back(phase_->kind, std::move(sum));
  phase_.reset();
}

void Coordinator::close_window(Tick now) {
  const bool brought_something = std::any_of(sums_.phases.begin(), sums_.phases.end(),
                                             [](const auto& phase) { return phase.second.accepted > 0; });
  if (brought_something) {
    closed_.metrics = strategy_.advance(state_.server, sums_);
    if (!check_values(state_.server.model.values()).finite)
      throw user_error(
          "round {}: the model is not finite after the server's step; lower the learning rates (train.lr, "
          "and "
          "the strategy's)",
          open_window());
    ++state_.server.version;
    publish_model();
  }
  // A learning rate that is far too large makes every update a bad one; going on would waste the time.
  fruitless_ = closed_.accepted == 0 && closed_.rejected > 0 ? fruitless_ + 1 : 0;
  if (fruitless_ >= kHopelessWindows)
    throw user_error(
        "round {}: every update of the last {} rounds was rejected, the last one as {}; is train.lr too "
        "large?",
        open_window(), fruitless_, to_string(last_rejection_));
  closed_.window = open_window();
  closed_.tick = now;
  closed_.version = state_.server.version;
  if (loss_count_ > 0) closed_.train_loss = loss_sum_ / static_cast<double>(loss_count_);
  state_.totals.bytes_up += closed_.bytes_up;
  state_.totals.bytes_down += closed_.bytes_down;
  ++state_.windows;
  state_.now = now;
  port_.emit(closed_);
  sums_ = {};

  const bool due = config_.evaluate_every > 0 && state_.windows % config_.evaluate_every == 0;
  if (due) evaluate(now);
  // Before the end is looked at: a checkpoint of this boundary serves a run of more rounds as well.
  port_.boundary(state_, std::exchange(superseded_, {}));
  finish_if_done(now, due);
  if (!ended_ && stop_requested_) ended_ = true;
}

void Coordinator::finish_if_done(Tick now, bool evaluated) {
  const auto reached = [this] {
    return config_.target_accuracy > 0 && config_.stop_at_target && state_.totals.windows_to_target >= 0;
  };
  if (!reached() && state_.windows < config_.windows) return;
  if (!evaluated) evaluate(now);
  finish(now, reached() ? "target" : "rounds");
}

void Coordinator::finish(Tick now, const std::string& reason) {
  state_.ended = true;
  ended_ = true;
  port_.emit(RunEnded{now, state_.windows, reason, sha256_hex(state_.server.model.values())});
}

void Coordinator::publish_model() {
  auto packed = std::make_shared<FloatBuffer>(exchanged_.size());
  exchanged_.gather(state_.server.model.values(), *packed);
  const std::span<const float> values(*packed);
  const Blob blob(std::shared_ptr<const FloatBuffer>(packed), std::as_bytes(values));
  port_.publish({state_.server.version,
                 state_.server.version,
                 {"model", {static_cast<std::int64_t>(exchanged_.size())}, blob}});
}

}  // namespace fedloom
