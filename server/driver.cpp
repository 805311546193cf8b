// The loop of a run, in either kind of time.
#include "server/driver.hpp"

#include <algorithm>
#include <utility>

namespace fedloom {

namespace {

constexpr Tick kAttention = 100 * kMillisecond;  // how often signals and worker processes are looked at
constexpr Tick kPatience = 5 * kSecond;          // for the next update of a window that is to be the last
constexpr Tick kTaskTicks = 1;                   // without device profiles every task lasts one tick
constexpr std::uint64_t kHopeless = 64;          // failed tasks in a row after which the run gives up

}  // namespace

Driver::Driver(DriverParts parts)
    : parts_(std::move(parts)),
      population_{parts_.clients, parts_.examples, {}},
      resumed_at_(parts_.state.now),
      trainings_before_(parts_.state.totals.client_trainings),
      fleet_(
          *parts_.channel, *parts_.executor, *parts_.strategy, parts_.fleet,
          [this](const std::function<bool()>& done) { pump(done); }, make_listener()),
      coordinator_(parts_.config, *parts_.strategy, *parts_.pacer, *parts_.sampler, population_, *this,
                   std::move(parts_.state)) {
  if (parts_.fleet.deployed) {
    population_.available = [this](ClientId client) { return fleet_.available(client); };
    population_.examples = [this](ClientId client) { return fleet_.examples(client); };
  }
  // What older checkpoints need goes with them, as it would have if the run had not been interrupted.
  superseded_.push_front(coordinator_.state().superseded);
  virtual_.set_handler([this](const Event& event) { on_event(event); });
}

Fleet::Listener Driver::make_listener() {
  Fleet::Listener listener;
  listener.on_event = [this](const MachineEvent& event) { emit(event); };
  if (parts_.virtual_time) return listener;
  // Posted, so that the coordinator is never entered from inside one of its own calls.
  listener.on_update = [this](const Update& update) {
    parts_.executor->post([this, id = update.id] {
      if (!fleet_.ready(id)) return;
      if (stopping_) stopping_ = parts_.executor->now();
      note_failure(fleet_.update(id));
      coordinator_.on_finished(now(), fleet_.update(id));
    });
  };
  listener.on_lost = [this](TaskId task, Reason reason) {
    parts_.executor->post([this, task, reason] { coordinator_.on_lost(now(), task, reason); });
  };
  listener.on_available = [this](ClientId) {
    parts_.executor->post([this] { coordinator_.on_available(now()); });
  };
  return listener;
}

void Driver::run() {
  const auto unwanted = [this] { return parts_.interrupt() != Interrupt::none; };
  pump([&] { return fleet_.peer_count() >= parts_.peers_to_wait_for || unwanted(); });
  if (unwanted()) return;
  begun_ = true;
  if (parts_.virtual_time) {
    virtual_.restore(coordinator_.state().now, {});
    coordinator_.begin(virtual_.now());
    while (!coordinator_.ended() && virtual_.step()) check_interrupt();
    FEDLOOM_CHECK(coordinator_.ended(), "virtual time stands still at tick {} in window {}", virtual_.now(),
                  coordinator_.open_window());
  } else {
    coordinator_.begin(now());
    pump([this] { return coordinator_.ended(); });
  }
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

void Driver::start(const Task& task) {
  if (parts_.virtual_time) {
    const Tick finish = virtual_.now() + kTaskTicks;
    finish_[task.id] = finish;
    virtual_.schedule(
        {finish, EventKind::client_finish, static_cast<std::int64_t>(task.id.client), task.id.number});
  }
  fleet_.start(task);
}

void Driver::end(TaskId task, Verdict verdict, Reason reason) {
  if (const auto it = finish_.find(task); it != finish_.end()) {
    virtual_.cancel(
        Event{it->second, EventKind::client_finish, static_cast<std::int64_t>(task.client), task.number});
    finish_.erase(it);
  }
  if (verdict == Verdict::accepted && parts_.strategy->traits().keeps_client_state) unsaved_.insert(task);
  fleet_.end(task, verdict, reason);
}

void Driver::set_deadline(WindowId window, Tick when) {
  if (parts_.virtual_time) {
    virtual_.schedule({when, EventKind::server_aggregate, -1, static_cast<std::int64_t>(window)});
  } else {
    parts_.executor->cancel(deadline_);
    deadline_ = parts_.executor->after(std::max<Tick>(0, when - now()),
                                       [this, window] { coordinator_.on_deadline(now(), window); });
  }
}

void Driver::on_event(const Event& event) {
  if (event.kind == EventKind::server_aggregate) {
    coordinator_.on_deadline(event.tick, static_cast<WindowId>(event.task));
    return;
  }
  const TaskId id{static_cast<ClientId>(event.client), static_cast<std::uint32_t>(event.task)};
  pump([&] { return fleet_.ready(id); });
  finish_.erase(id);
  note_failure(fleet_.update(id));
  coordinator_.on_finished(event.tick, fleet_.update(id));
}

void Driver::note_failure(const Update& update) {
  if (update.reason != Reason::failed) {
    failures_in_row_ = 0;
    return;
  }
  if (failures_in_row_++ == 0)
    emit(Note{
        fmt::format("task {} of client {} failed: {}", update.id.number, update.id.client, update.error)});
  const std::uint64_t hopeless =
      std::min<std::uint64_t>(kHopeless, std::max<std::uint64_t>(1, parts_.clients));
  if (failures_in_row_ >= hopeless)
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
  parts_.executor->cancel(std::exchange(deadline_, 0));  // the window is closed
  forget_states(state, superseded);
  const ChannelStats stats = parts_.channel->stats();
  const auto [own, all] = parts_.memory();
  emit(MachineState{state.windows, static_cast<double>(parts_.executor->now()) * 1e-9,
                    state.totals.client_trainings - trainings_before_, stats.sent.socket_bytes(),
                    stats.received.socket_bytes(), own, all});
}

}  // namespace fedloom
