// Windows and versions. Every decision follows from the state, the configuration and the order of calls,
// never from a clock, a socket or an address.
#include "server/coordinator.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/hash.hpp"
#include "server/client_facts.hpp"
#include "transport/codec.hpp"

namespace fedloom {

namespace {

constexpr const char* kBudgetSpent = "privacy budget";

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
      exchanged_(strategy.exchanged(state_.server.model.layout())) {
  if (population_.devices != nullptr)
    facts_ = std::make_unique<PlannedFacts>(
        population_, *population_.devices,
        [this](ClientId client, std::int64_t steps) { return ordinary_work(client, steps); });
  else
    facts_ = std::make_unique<ObservedFacts>(population_, state_.records, [this](ClientId client) {
      return config_.recipe.steps_for(examples_of(client));
    });
  if (config_.privacy)
    budget_ = std::make_unique<PrivacyBudget>(
        *config_.privacy, config_.recipe, static_cast<std::uint64_t>(expected_cohort()), population_.clients);
  if (population_.deployed) failing_.emplace(population_.clients);
  remember_spent();
}

void Coordinator::begin(Tick now) {
  if (state_.windows == 0)
    start_anew(now);
  else
    take_up(now);
  if (!ended_ && !affords_round()) finish(now, kBudgetSpent);
  if (ended_) return;
  ask_for_times(now);
  open(now);
  proceed(now);
}

void Coordinator::start_anew(Tick now) {
  strategy_.start(state_.server, {population_.clients, config_.seed, config_.adapter_alpha, config_.stages,
                                  config_.task_heads});
  port_.emit(RunStarted{config_.experiment, config_.strategy_name, config_.pacer_name, config_.model_name,
                        config_.data_name, config_.seed, population_.clients,
                        state_.server.model.layout().size(), state_.server.model.layout().fingerprint(),
                        config_.ticks_per_second});
  if (hides_clients()) state_.server.scalars[privacy::kClipScalar] = config_.privacy->clip_norm;
  publish_model();
  state_.now = now;
  state_.next_evaluation = now + config_.evaluate_interval;
  if (config_.evaluate_every > 0 || config_.evaluate_interval > 0) evaluate(now);
}

// From a checkpoint: whatever tasks in flight start from is published, and they are given out again.
void Coordinator::take_up(Tick now) {
  for (const auto& [version, live] : state_.versions)
    for (const Payload& payload : live.shared) port_.publish({version, 0, payload});
  if (!state_.versions.contains(state_.server.version)) publish_model();
  finish_if_done(now, due_at(state_.windows));
  if (ended_) return;
  for (const auto& [id, live] : state_.live) {
    if (failing_) failing_->asked(id.client);
    port_.start(live);
  }
}

void Coordinator::ask_for_times(Tick now) {
  if (config_.evaluate_interval > 0)
    port_.call(Moment::evaluation, std::max(now, state_.next_evaluation), open_window());
  if (config_.duration > 0) port_.call(Moment::end, std::max(now, config_.duration), open_window());
}

void Coordinator::on_available(Tick now) {
  if (!ended_ && phase_ && (started_ == 0 || pacer_.overlaps())) proceed(now);
}

void Coordinator::on_moment(Tick now, Moment what, WindowId window) {
  if (ended_) return;
  switch (what) {
    case Moment::look: look(now, window); break;
    case Moment::evaluation: evaluate_by_time(now); break;
    case Moment::end: finish(now, "duration"); break;
    case Moment::availability:
      wakes_.erase(wakes_.begin(), wakes_.upper_bound(now));
      on_available(now);
      break;
    case Moment::starts:
      starts_asked_ = false;
      if (!phase_) break;
      start_tasks(now);
      opening_ = false;
      if (budget_spent_ && state_.live.empty()) return proceed(now);
      if (!pacer_.close(view())) break;  // nobody is at work, and nobody can be
      close_phase(now);
      proceed(now);
      break;
  }
}

void Coordinator::proceed(Tick now) {
  while (!ended_) {
    if (!phase_ && !make_phase(now)) {
      close_window(now);
      if (!ended_) open(now);
      continue;
    }
    if (pacer_.overlaps()) {
      if (!pacer_.close(view())) {
        if (!budget_spent_ || !state_.live.empty()) return ask_for_starts(now);
        // Nobody will come any more: what is in was paid for and counts.
        if (accepted_.empty()) return finish(now, kBudgetSpent);
      }
    } else {
      start_tasks(now);
      if (budget_spent_ && state_.live.empty()) return finish(now, kBudgetSpent);
      // With nobody to start, the window waits for on_available().
      const bool has_cohort = started_ > 0 || drawn_;
      if (has_cohort && !sum_open_) open_sum();
      if (!has_cohort || !pacer_.close(view())) return;
    }
    close_phase(now);
  }
}

void Coordinator::open(Tick now) {
  opened_ = looked_ = now;
  opening_ = true;
  sums_ = {};
  sums_.window = open_window();
  sums_.stage = stage_of(open_window());
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
  drawn_ = false;
  sum_open_ = false;
  Recipe base = config_.recipe;
  base.learning_rate =
      scheduled_rate(config_.schedule, base.learning_rate, static_cast<std::int64_t>(state_.windows),
                     static_cast<std::int64_t>(config_.windows)) *
      std::pow(config_.lr_decay, static_cast<double>(state_.windows));
  base.stage = sums_.stage.number;
  phase_ = strategy_.next_phase(state_.server, sums_, base);
  if (!phase_) return false;
  const bool first = sums_.phases.empty();
  if (phase_->on_new_model) advance();
  if (pacer_.overlaps() && !first)
    throw user_error(
        "strategy {} works in several phases, and pacer {} lets tasks overlap; use a pacer of rounds: sync",
        config_.strategy_name, config_.pacer_name);
  // Shared slots other than the model are sent whole at the start of the phase that needs them.
  for (const std::string& name : phase_->shared)
    publish_payload(Payload::from(name, state_.server.slots.at(name)));
  Task ordinary;
  ordinary.kind = phase_->kind;
  ordinary.shared = phase_->shared;
  if (strategy_.traits().exchanges) ordinary.shared.insert(ordinary.shared.begin(), "model");
  task_bytes_ = deployed_size(ordinary);
  if (strategy_.traits().exchanges) task_bytes_ += deployed_shared_size("model", exchanged_.size());
  for (const std::string& name : phase_->shared)
    task_bytes_ += deployed_shared_size(name, state_.server.slots.at(name).data.size());
  Update update;
  for (const SlotSpec& slot : phase_->slots) update.reports.push_back({slot.name, slot.size});
  update_bytes_ = deployed_size(update);
  // A deadline is of each phase: what one phase took is not the next one's to lose.
  if (!first) opened_ = looked_ = now;
  ask_for_look(now);
  return true;
}

void Coordinator::look(Tick now, WindowId window) {
  if (window != open_window() || !phase_) return;
  looked_ = now;
  if (!pacer_.close(view())) return ask_for_look(now);
  close_phase(now);
  proceed(now);
}

void Coordinator::ask_for_look(Tick now) {
  if (const auto when = pacer_.next_look(view()))
    port_.call(Moment::look, std::max(now, *when), open_window());
}

WindowView Coordinator::view() const {
  WindowView view;
  view.window = open_window();
  view.opened = opened_;
  view.looked = looked_;
  view.population = population_.clients;
  view.opening = opening_;
  view.started = started_;
  view.live = state_.live.size();
  view.accepted = accepted_.size();
  view.waiting = pacer_.waits() ? accepted_.size() : 0;
  return view;
}

// Of a pacer that overlaps, all is known when the window closes: who is in, and what they weigh.
void Coordinator::sum_overlapping() {
  double total = 0.0;
  double largest = 1.0;
  for (auto& [id, accepted] : accepted_) {
    accepted.weight = pacer_.weight(accepted.contribution, *facts_);
    total += static_cast<double>(accepted.weight);
    largest = std::max(largest, static_cast<double>(accepted.weight));
  }
  // What is relative to the current model is two terms: the client's change, and the way to where it began.
  const double terms = pacer_.base() == Pacer::Base::current ? 2.0 : 1.0;
  port_.open_sum(empty_sum(*phase_, largest, terms * std::max(total, largest), accepted_.size()));
  for (const auto& [id, accepted] : accepted_) port_.accept({id, accepted.weight});
}

// w_i - theta^t = (w_i - theta^start) + (theta^start - theta^t): adds the second part.
void Coordinator::rebase(PhaseSum& sum) const {
  const auto model_of = [this](Version version) {
    const auto& shared = state_.versions.at(version).shared;
    return std::find_if(shared.begin(), shared.end(), [](const Payload& p) { return p.name == "model"; })
        ->values();
  };
  const std::span<const float> current = model_of(state_.server.version);
  for (const auto& [id, accepted] : accepted_) {
    if (accepted.version == state_.server.version) continue;
    const std::span<const float> start = model_of(accepted.version);
    FloatBuffer way(start.size());
    for (std::size_t i = 0; i < way.size(); ++i) way[i] = start[i] - current[i];
    if (static_cast<double>(check_values(way).largest) > phase_->slots.front().range)
      throw user_error(
          "round {}: the model has moved by more than {} since client {} started; lower the learning rates",
          open_window(), phase_->slots.front().range, id.client);
    const WeightedValues term{way.data(), accepted.weight};
    sum.slots.find("delta")->second.sum.add({&term, 1});
  }
}

PhaseSum Coordinator::sum_of_accepted() {
  if (!pacer_.overlaps()) return port_.close_sum();
  if (accepted_.empty()) return {};
  sum_overlapping();
  PhaseSum sum = port_.close_sum();
  if (pacer_.base() == Pacer::Base::current) rebase(sum);
  return sum;
}

void Coordinator::close_phase(Tick now) {
  const WindowView at_close = view();
  if (!pacer_.overlaps()) {
    const Reason reason = pacer_.full(at_close) ? Reason::surplus : Reason::late;
    while (!state_.live.empty()) settle(now, state_.live.begin()->first, Verdict::cancelled, reason, nullptr);
  }
  PhaseSum sum = sum_of_accepted();
  sum.accepted = accepted_.size();
  double total = 0.0;
  for (const auto& [id, accepted] : accepted_) {
    total += static_cast<double>(accepted.weight);
    for (const auto& [name, value] : accepted.scalars) sum.scalars[name] += value;
    port_.end(id, Verdict::accepted, Reason::none);
  }
  const double normaliser =
      hides_clients() ? expected_cohort() : pacer_.normaliser(at_close, *facts_).value_or(total);
  for (auto& [name, slot] : sum.slots) {
    const double terms = static_cast<double>(accepted_.size());
    const bool by_count = slot.weighting == Weighting::uniform && !hides_clients();
    slot.normaliser = std::max(1.0, by_count ? terms : normaliser);
  }
  if (!sum.updates.empty())
    for (const auto& [id, accepted] : accepted_)
      sum.shares.push_back(static_cast<double>(accepted.weight) / std::max(1.0, normaliser));
  if (hides_clients()) hide_clients(sum);
  for (const auto& [id, accepted] : accepted_) release(accepted.version);
  sums_.phases.emplace_back(phase_->kind, std::move(sum));
  phase_.reset();
}

// The next model, of the phases that are in.
void Coordinator::advance() {
  const bool brought_something = std::any_of(sums_.phases.begin(), sums_.phases.end(),
                                             [](const auto& phase) { return phase.second.accepted > 0; });
  if (brought_something || hides_clients()) {  // noise is a step even without anybody
    for (const auto& [name, value] : strategy_.advance(state_.server, sums_)) closed_.metrics[name] = value;
    PatchParts patch;
    if (strategy_.traits().patches_model) {
      patch = strategy_.patch(state_.server);
      strategy_.apply(patch, state_.server.model);
    }
    if (!check_values(state_.server.model.values()).finite)
      throw user_error(
          "round {}: the model is not finite after the server's step; lower the learning rates (train.lr, "
          "and "
          "the strategy's)",
          open_window());
    ++state_.server.version;
    publish_model(patch);
  }
  sums_.phases.clear();
}

void Coordinator::close_window(Tick now) {
  advance();
  check_window();
  closed_.window = open_window();
  closed_.tick = now;
  closed_.version = state_.server.version;
  if (loss_count_ > 0) closed_.train_loss = loss_sum_ / static_cast<double>(loss_count_);
  state_.totals.bytes_up += closed_.bytes_up;
  state_.totals.bytes_down += closed_.bytes_down;
  ++state_.windows;
  if (budget_) note_privacy();
  state_.now = now;
  port_.emit(closed_);

  const bool due = due_at(state_.windows);
  if (due) evaluate(now);
  // Before the end is looked at: a checkpoint of this boundary serves a run of more rounds as well.
  port_.boundary(state_, std::exchange(superseded_, {}));
  finish_if_done(now, due);
  if (!ended_ && stop_requested_) ended_ = true;
}

bool Coordinator::reached_target() const {
  return config_.target_accuracy > 0 && config_.stop_at_target && state_.totals.windows_to_target >= 0;
}

void Coordinator::finish_if_done(Tick now, bool evaluated) {
  if (evaluated) evaluated_ = state_.windows;
  if (reached_target()) return finish(now, "target");
  if (config_.windows > 0 && state_.windows >= config_.windows) return finish(now, "rounds");
  if (config_.duration > 0 && now > config_.duration) return finish(now, "duration");
  if (!affords_round()) finish(now, kBudgetSpent);
}

// Tasks still at work are given up: their updates would come after the end.
void Coordinator::finish(Tick now, const std::string& reason) {
  while (!state_.live.empty())
    settle(now, state_.live.begin()->first, Verdict::cancelled, Reason::surplus, nullptr);
  if (phase_) {  // in the middle of a window
    state_.totals.bytes_up += closed_.bytes_up;
    state_.totals.bytes_down += closed_.bytes_down;
    for (const auto& [id, accepted] : accepted_) port_.end(id, Verdict::accepted, Reason::none);
  }
  if (evaluated_ != state_.windows) evaluate(now);
  state_.now = now;
  state_.ended = true;
  ended_ = true;
  RunEnded ended{now, state_.windows, reason, sha256_hex(state_.server.model.values()), {}};
  if (budget_) ended.metrics["epsilon"] = state_.epsilon;  // tasks of a window that never closed included
  port_.emit(ended);
}

}  // namespace fedloom
