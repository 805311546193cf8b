// The loop of a run, in either kind of time.
#include "server/driver.hpp"

#include <algorithm>
#include <utility>

namespace fedloom {

namespace {

constexpr Tick kAttention = 100 * kMillisecond;  // how often signals and worker processes are looked at
constexpr Tick kPatience = 5 * kSecond;          // for the next update of a window that is to be the last
constexpr std::uint64_t kHopeless = 64;          // failed tasks in a row after which a simulation gives up

}  // namespace

Driver::Driver(DriverParts parts)
    : parts_(std::move(parts)),
      population_(make_population()),
      resumed_at_(parts_.state.now),
      trainings_before_(parts_.state.totals.client_trainings),
      fleet_(
          *parts_.channel, *parts_.executor, *parts_.strategy, parts_.fleet,
          [this](const std::function<bool()>& done) { pump(done); }, make_listener()),
      coordinator_(parts_.config, *parts_.strategy, *parts_.pacer, *parts_.sampler, population_, *this,
                   std::move(parts_.state)) {
  // What older checkpoints need goes with them, as it would have if the run had not been interrupted.
  superseded_.push_front(coordinator_.state().superseded);
  virtual_.set_handler([this](const Event& event) { on_event(event); });
}

Population Driver::make_population() {
  Population population{parts_.clients, parts_.examples, {}, {}, nullptr, parts_.stage_examples};
  if (parts_.fleet.deployed) {
    population.deployed = true;
    population.available = [this](ClientId client, Tick) { return fleet_.available(client); };
    population.examples = [this](ClientId client) { return fleet_.examples(client); };
  } else if (parts_.devices) {
    population.available = [this](ClientId client, Tick at) { return parts_.devices->available(client, at); };
    population.next_available = [this](ClientId client, Tick from) {
      return parts_.devices->next_available(client, from);
    };
    population.devices = parts_.devices.get();
  } else if (parts_.virtual_time) {
    population.devices = &one_tick_;
  }
  return population;
}

Fleet::Listener Driver::make_listener() {
  Fleet::Listener listener;
  listener.on_event = [this](const MachineEvent& event) { emit(event); };
  if (parts_.virtual_time) return listener;
  listener.on_update = [this](const Update& update) {
    enter([this, id = update.id] {
      if (!fleet_.ready(id)) return;
      if (stopping_) stopping_ = parts_.executor->now();
      if (!endings_.contains(id) || due_.contains(id)) deliver(id);
    });
  };
  listener.on_lost = [this](TaskId task, Reason reason) {
    enter([this, task, reason] { coordinator_.on_lost(now(), task, reason); });
  };
  listener.on_available = [this](ClientId) { enter([this] { coordinator_.on_available(now()); }); };
  return listener;
}

void Driver::run() {
  for (const auto& [id, live] : coordinator_.state().live) fleet_.expect(id.client);
  const auto unwanted = [this] { return parts_.interrupt() != Interrupt::none; };
  pump([&] { return fleet_.peer_count() >= parts_.peers_to_wait_for || unwanted(); });
  if (unwanted()) throw Interrupted();  // nothing has begun
  begun_ = true;
  if (parts_.virtual_time) return run_virtually();
  enter([this] { coordinator_.begin(now()); });
  pump([this] { return coordinator_.ended(); });
}

// The coordinator is never entered from inside one of its own calls: those wait for sums and evaluations, and
// what happens meanwhile comes after them.
void Driver::enter(Executor::Task entry) {
  entries_.push_back(std::move(entry));
  if (std::exchange(entered_, true)) return;
  parts_.executor->post([this] {
    for (; !entries_.empty(); entries_.pop_front()) {
      const Executor::Task next = std::move(entries_.front());
      next();
    }
    entered_ = false;
  });
}

// Far ends of heavy tails add up.
void Driver::expect_time(Tick when) const {
  if (when < 0 || when < now())
    throw user_error(
        "the federation's time is over: ticks of {} after {} do not fit 64 bits; see the section devices",
        parts_.config.ticks_per_second > 1.0 ? "a nanosecond" : "a round", now());
}

void Driver::run_virtually() {
  virtual_.restore(coordinator_.state().now, {});
  coordinator_.begin(virtual_.now());
  while (!coordinator_.ended() && virtual_.step()) check_interrupt();
  if (!coordinator_.ended())
    throw user_error(
        "round {}: nobody is at work and no client will ever be available again; see devices.availability",
        coordinator_.open_window());
}

void Driver::pump(const std::function<bool()>& done) {
  while (!done()) {
    parts_.executor->run_until(done, kAttention);
    parts_.watch();
    check_interrupt();
  }
}

void Driver::check_interrupt() {
  const Interrupt wish = parts_.interrupt();
  if (wish == Interrupt::now) throw Interrupted();
  if (wish == Interrupt::none || !begun_ || coordinator_.ended()) return;
  coordinator_.stop_after_window();
  const Tick now = parts_.executor->now();
  if (!stopping_) {
    stopping_ = now;
    emit(Note{fmt::format("finishing round {}; again to stop now", coordinator_.open_window())});
  }
  // A client that hangs, or stays away, may keep a deployed window open for ever. What is on disk is a
  // boundary, and the run goes on from there.
  if (!parts_.virtual_time && now - *stopping_ > kPatience) throw Interrupted();
}

void Driver::start(const LiveTask& live) {
  if (!parts_.virtual_time && !parts_.devices) return fleet_.start(live.task);
  const Course course = population_.devices->course(live.work, live.started);
  if (parts_.virtual_time)
    schedule(live, course);
  else
    start_slowly(live, course);
  // Of a task that breaks off nothing is ever used.
  if (course.lost == Reason::none) fleet_.start(live.task, live.started + course.duration);
}

void Driver::schedule(const LiveTask& live, const Course& course) {
  const TaskId id = live.task.id;
  Tick finish = -1;
  if (__builtin_add_overflow(live.started, course.duration, &finish)) finish = -1;
  expect_time(finish);
  endings_[id] = {finish, course.lost, 0};
  virtual_.schedule({finish, EventKind::client_finish, static_cast<std::int64_t>(id.client), id.number});
}

// Real time with devices: a task ends when its device would have ended it, if its worker has by then.
void Driver::start_slowly(const LiveTask& live, const Course& course) {
  const TaskId id = live.task.id;
  Tick finish = -1;
  if (__builtin_add_overflow(live.started, course.duration, &finish)) expect_time(-1);
  const TimerId timer = parts_.executor->after(std::max<Tick>(0, finish - now()),
                                               [this, id] { enter([this, id] { end_slowly(id); }); });
  endings_[id] = {finish, course.lost, timer};
}

void Driver::end_slowly(TaskId id) {
  const auto ending = endings_.find(id);
  if (ending == endings_.end()) return;  // it ended otherwise in the meantime
  if (ending->second.lost != Reason::none)
    coordinator_.on_lost(now(), id, ending->second.lost);
  else if (fleet_.ready(id))
    deliver(id);
  else
    due_.insert(id);
}

void Driver::deliver(TaskId task) {
  note_failure(fleet_.update(task));
  coordinator_.on_finished(now(), fleet_.update(task));
}

void Driver::end(TaskId task, Verdict verdict, Reason reason) {
  if (const auto it = endings_.find(task); it != endings_.end()) {
    if (parts_.virtual_time)
      virtual_.cancel(Event{it->second.tick, EventKind::client_finish, static_cast<std::int64_t>(task.client),
                            task.number});
    else
      parts_.executor->cancel(it->second.timer);
    endings_.erase(it);
    due_.erase(task);
  }
  if (verdict == Verdict::accepted && parts_.strategy->traits().keeps_client_state) unsaved_.insert(task);
  fleet_.end(task, verdict, reason);
}

namespace {

// The place of a moment in the order of one tick.
Event event_of(Moment what, Tick when, WindowId window) {
  const auto number = static_cast<std::int64_t>(window);
  switch (what) {
    case Moment::look: return {when, EventKind::server_aggregate, -1, number};
    case Moment::evaluation: return {when, EventKind::server_evaluate, -1, 0};
    case Moment::end: return {when, EventKind::server_evaluate, -1, 1};
    case Moment::availability: return {when, EventKind::client_available, -1, number};
    case Moment::starts: return {when, EventKind::client_start, -1, number};
  }
  return {};
}

Moment moment_of(const Event& event) {
  switch (event.kind) {
    case EventKind::client_finish: break;
    case EventKind::server_aggregate: return Moment::look;
    case EventKind::server_evaluate: return event.task == 0 ? Moment::evaluation : Moment::end;
    case EventKind::client_available: return Moment::availability;
    case EventKind::client_start: return Moment::starts;
  }
  FEDLOOM_CHECK(false, "a task's end is no moment");
  return Moment::look;
}

}  // namespace

void Driver::call(Moment what, Tick when, WindowId window) {
  if (when < 0) expect_time(when);
  if (parts_.virtual_time) return virtual_.schedule(event_of(what, when, window));
  const auto run = [this, what, window] { coordinator_.on_moment(now(), what, window); };
  if (what == Moment::starts) return enter(run);
  const TimerId timer = parts_.executor->after(std::max<Tick>(0, when - now()), [this, run] { enter(run); });
  if (what == Moment::look) parts_.executor->cancel(std::exchange(look_, timer));
}

void Driver::on_event(const Event& event) {
  if (event.kind != EventKind::client_finish)
    return coordinator_.on_moment(event.tick, moment_of(event), static_cast<WindowId>(event.task));
  const TaskId id{static_cast<ClientId>(event.client), static_cast<std::uint32_t>(event.task)};
  if (const Reason lost = endings_.at(id).lost; lost != Reason::none)
    return coordinator_.on_lost(event.tick, id, lost);
  pump([&] { return fleet_.ready(id); });
  deliver(id);
}

// The first failure of a row is told. Of deployed clients rows are their own, and the coordinator decides
// what follows from them.
void Driver::note_failure(const Update& update) {
  const bool deployed = parts_.fleet.deployed;
  if (update.reason != Reason::failed) {
    failing_.erase(update.id.client);
    failures_in_row_ = 0;
    return;
  }
  const bool first = deployed ? failing_.insert(update.id.client).second : failures_in_row_ == 0;
  if (first)
    emit(Note{
        fmt::format("task {} of client {} failed: {}", update.id.number, update.id.client, update.error)});
  ++failures_in_row_;
  const std::uint64_t hopeless =
      std::min<std::uint64_t>(kHopeless, std::max<std::uint64_t>(1, parts_.clients));
  if (!deployed && failures_in_row_ >= hopeless)
    throw user_error("the last {} tasks all failed; client {} says: {}", failures_in_row_, update.id.client,
                     update.error);
}

void Driver::emit(const FederationEvent& event) {
  for (Sink* sink : parts_.sinks) sink->on(event);
}

void Driver::emit(const MachineEvent& event) {
  for (Sink* sink : parts_.sinks) sink->on(event);
}

// A state that no checkpoint names is of no use once a newer one counts. One that was replaced after the
// oldest checkpoint that is kept is one that it may be resumed with.
void Driver::forget_states(FederationState& state, const std::vector<TaskId>& superseded) {
  std::vector<TaskId> useless;
  for (const TaskId& old : superseded)
    (unsaved_.erase(old) > 0 ? useless : superseded_.back()).push_back(old);
  state.superseded.clear();
  for (const std::vector<TaskId>& list : superseded_)
    state.superseded.insert(state.superseded.end(), list.begin(), list.end());
  if (parts_.checkpoint(state)) {
    unsaved_.clear();
    superseded_.emplace_back();
  }
  for (; superseded_.size() > parts_.checkpoints_kept; superseded_.pop_front())
    useless.insert(useless.end(), superseded_.front().begin(), superseded_.front().end());
  fleet_.forget(useless);
}

void Driver::boundary(FederationState& state, const std::vector<TaskId>& superseded) {
  parts_.executor->cancel(std::exchange(look_, 0));  // the window is closed
  forget_states(state, superseded);
  const ChannelStats stats = parts_.channel->stats();
  const auto [own, all] = parts_.memory();
  emit(MachineState{state.windows, static_cast<double>(parts_.executor->now()) * 1e-9,
                    state.totals.client_trainings - trainings_before_, stats.sent.socket_bytes(),
                    stats.received.socket_bytes(), own, all});
}

}  // namespace fedloom
