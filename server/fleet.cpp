// Peers and tasks. The invariant behind same bits: a task given twice, to whomever, is the same task, so
// nothing here can change a result, only how long it takes.
#include "server/fleet.hpp"

#include <algorithm>
#include <utility>

#include "core/version.hpp"
#include "transport/codec.hpp"

namespace fedloom {

namespace {

constexpr Tick kLastWord = kSecond;  // for a dropped peer to hear why

// Whoever said goodbye is not waited for, nor whoever was put out: for a key that is no longer on the list,
// for what it sent or for what it asked for. Whoever was lost is still of the federation for a while.
bool may_be_back(Reason left_for) { return left_for == Reason::disconnected; }

}  // namespace

Fleet::Fleet(Channel& channel, Executor& executor, const Strategy& strategy, FleetOptions options, Pump pump,
             Listener listener)
    : channel_(channel),
      executor_(executor),
      strategy_(strategy),
      options_(std::move(options)),
      pump_(std::move(pump)),
      listener_(std::move(listener)) {
  ChannelHandlers handlers;
  handlers.on_message = [this](PeerId peer, Message&& message) { on_message(peer, message); };
  handlers.on_peer = [this](PeerId peer, PeerChange change, Reason reason) { on_peer(peer, change, reason); };
  handlers.on_refused = [this](PeerId peer, Reason reason, const std::string& text) {
    log_refusal(peer, reason, text);  // the channel counts its own
  };
  handlers.on_no_memory = [this](PeerId peer, const std::string& text) {
    log_refusal(peer, Reason::limit, text);
  };
  channel_.set_handlers(std::move(handlers));
}

// What a peer says and should not. Its own tasks may wait for an answer that comes in no better form, so it
// is dropped after a few.
void Fleet::refuse(PeerId peer, Reason reason, const std::string& text) {
  log_refusal(peer, reason, text);
  if (++refusals_[peer] >= options_.max_refusals) drop(peer, reason);
}

// It is told, so that a process of ours ends and is started anew; whoever does not listen is cut off. Its
// tasks are given to other workers, or are lost.
void Fleet::drop(PeerId peer, Reason reason) {
  if (!dropped_.insert(peer).second) return;
  send(peer, Goodbye{fmt::format("dropped for messages that do not parse or belong ({})", to_string(reason)),
                     true});
  executor_.after(kLastWord, [this, peer, reason] { channel_.disconnect(peer, reason); });
  remove_peer(peer, "what it sent did not parse or belong");
}

void Fleet::log_refusal(PeerId peer, Reason reason, const std::string& text) {
  const auto it = peers_.find(peer);
  const std::string name = it != peers_.end() ? it->second.hello.name
                           : peer == kNoPeer  ? "a stranger"
                                              : fmt::format("peer {}", peer);
  listener_.on_event(Refused{name, reason, text});
}

std::uint64_t Fleet::examples(ClientId client) const {
  const auto it = client_examples_.find(client);
  return it == client_examples_.end() ? 0 : it->second;
}

std::vector<std::int64_t> Fleet::processes() const {
  std::vector<std::int64_t> processes;
  for (const auto& [id, peer] : peers_) processes.push_back(peer.hello.process);
  return processes;
}

// ---- peers ----

void Fleet::on_peer(PeerId peer, PeerChange change, Reason reason) {
  // A joined peer exists for us once it has said hello.
  if (change != PeerChange::left) return;
  refusals_.erase(peer);
  dropped_.erase(peer);
  const auto it = peers_.find(peer);
  if (it == peers_.end()) return;
  if (may_be_back(reason) && it->second.hello.client) lost_at_[*it->second.hello.client] = executor_.now();
  remove_peer(peer, std::string(to_string(reason)));
}

bool Fleet::available(ClientId client) const {
  if (clients_.contains(client)) return true;
  const auto lost = lost_at_.find(client);
  return lost != lost_at_.end() && executor_.now() - lost->second < options_.lost_after;
}

void Fleet::expect(ClientId client) {
  if (options_.deployed && !clients_.contains(client)) lost_at_.emplace(client, executor_.now());
}

void Fleet::peer_died(std::int64_t process) {
  for (const auto& [id, peer] : peers_)
    if (peer.hello.process == process) {
      const PeerId dead = id;
      channel_.disconnect(dead, Reason::disconnected);
      remove_peer(dead, "its process ended");
      return;
    }
}

void Fleet::on_hello(PeerId id, const Hello& hello) {
  if (peers_.contains(id)) return refuse(id, Reason::duplicate, "a second hello");
  if (hello.client.has_value() != options_.deployed) {
    send(id, Goodbye{options_.deployed ? "this server is for deployed clients" : "this server is for workers",
                     true});
    return refuse(id, Reason::malformed, "a peer of the other kind said hello");
  }
  if (hello.client) {
    if (*hello.client >= options_.population) {
      send(id,
           Goodbye{fmt::format("client index {} is outside 0 … {}", *hello.client, options_.population - 1),
                   true});
      return refuse(id, Reason::range,
                    fmt::format("client index {} of {}", *hello.client, options_.population));
    }
    if (!options_.may_be(channel_.key_of(id), *hello.client)) {
      send(id, Goodbye{fmt::format("this key is not that of client {}", *hello.client), true});
      return refuse(id, Reason::key,
                    fmt::format("key {} said it was client {}", channel_.key_of(id), *hello.client));
    }
    if (hello.examples > kMostExamples) {
      send(id, Goodbye{fmt::format("{} examples are more than {}", hello.examples, kMostExamples), true});
      return refuse(id, Reason::range,
                    fmt::format("client {} with {} examples", *hello.client, hello.examples));
    }
    if (const auto old = clients_.find(*hello.client); old != clients_.end())
      take_over(old->second, *hello.client);
    clients_[*hello.client] = id;
    lost_at_.erase(*hello.client);
    client_examples_[*hello.client] = hello.examples;
  }
  listener_.on_event(PeerChanged{id, hello.name, true, hello.cpu});
  if (hello.build != kVersion)
    listener_.on_event(
        Note{fmt::format("{} runs fedloom {}, this server {}", hello.name, hello.build, kVersion)});
  peers_[id].hello = hello;
  send(id, options_.welcome);
  send_initial(id);
  if (hello.client) {
    for (auto& [task, tracked] : tasks_)
      if (task.client == *hello.client && !tracked.peer && !tracked.update) assign(id, tracked);
    listener_.on_available(*hello.client);
  }
  dispatch();
}

// The client again, from another process: the old one has died and nobody has noticed yet, or somebody gave
// two of them the same index. The newer one counts, as with sessions in MQTT; the older is told and ends.
void Fleet::take_over(PeerId old, ClientId client) {
  send(old, Goodbye{fmt::format(
                        "another process joined as client {}; every client needs a --client index of its own",
                        client),
                    true});
  refuse(old, Reason::duplicate, fmt::format("another process joined as client {}", client));
  remove_peer(old, "another process joined as this client");
}

void Fleet::remove_peer(PeerId id, const std::string& why) {
  const auto it = peers_.find(id);
  if (it == peers_.end()) return;
  const Peer peer = std::move(it->second);
  peers_.erase(it);
  if (peer.hello.client) clients_.erase(*peer.hello.client);
  listener_.on_event(PeerChanged{id, peer.hello.name, false, why});
  for (auto fold = folds_.begin(); fold != folds_.end();)
    fold = fold->second.peer == id ? folds_.erase(fold) : std::next(fold);
  evaluating_.erase(id);
  given_up_.erase(id);
  for (const TaskId& task : peer.tasks) {
    const auto found = tasks_.find(task);
    if (found == tasks_.end() || found->second.folded || found->second.here) continue;
    Tracked& tracked = found->second;
    tracked.peer.reset();
    tracked.redo = tracked.redo || tracked.update.has_value();
    if (!options_.deployed) {
      tracked.update.reset();
      enqueue(tracked);
      listener_.on_event(TaskRetried{task, why});
    } else if (!tracked.update) {
      wait_for_client(tracked);
    }
  }
  dispatch();
}

void Fleet::dismiss(const std::string& reason, bool failed) {
  send_verdicts();
  for (const auto& [id, peer] : peers_) send(id, Goodbye{reason, failed});
}

void Fleet::interrupt(const std::string& reason) {
  if (!options_.deployed) return dismiss(reason, false);
  send_verdicts();
}

// ---- tasks ----

void Fleet::start(const Task& task, Tick due) {
  Tracked& tracked = tasks_[task.id];
  tracked = {};
  tracked.task = task;
  tracked.due = due;
  if (!options_.deployed) {
    enqueue(tracked);
    dispatch();
  } else if (const auto peer = clients_.find(task.id.client); peer != clients_.end()) {
    assign(peer->second, tracked);
  } else {
    wait_for_client(tracked);  // it was lost a moment ago and may be back
  }
}

void Fleet::wait_for_client(Tracked& tracked) {
  // Whoever said goodbye is not waited for.
  const auto lost = lost_at_.find(tracked.task.id.client);
  const Tick left = lost == lost_at_.end() ? 0 : options_.lost_after - (executor_.now() - lost->second);
  tracked.patience = executor_.after(std::max<Tick>(0, left), [this, task = tracked.task.id] {
    const auto late = tasks_.find(task);
    if (late != tasks_.end() && !late->second.peer) listener_.on_lost(task, Reason::disconnected);
  });
}

void Fleet::enqueue(const Tracked& tracked) {
  queue_.emplace(tracked.due, tracked.task.window, tracked.task.id);
}

void Fleet::dispatch() {
  // Each worker gets as many tasks as it has threads and as many again, so that it never waits for us.
  while (!queue_.empty()) {
    PeerId best = kNoPeer;
    double best_load = 2.0;
    for (const auto& [id, peer] : peers_) {
      const double load = static_cast<double>(peer.running) / peer.hello.capacity;
      if (load < best_load) {
        best = id;
        best_load = load;
      }
    }
    if (best == kNoPeer) return;
    const TaskId next = std::get<TaskId>(queue_.extract(queue_.begin()).value());
    assign(best, tasks_.at(next));
  }
}

void Fleet::assign(PeerId id, Tracked& tracked) {
  Peer& peer = peers_.at(id);
  if (tracked.patience != 0) executor_.cancel(std::exchange(tracked.patience, 0));
  for (const std::string& name : tracked.task.shared) send_shared(id, name, tracked.task.version);
  tracked.peer = id;
  peer.tasks.insert(tracked.task.id);
  ++peer.running;
  send(id, tracked.task);
}

bool Fleet::ready(TaskId task) const {
  const auto it = tasks_.find(task);
  return it != tasks_.end() && it->second.update.has_value();
}

const Update& Fleet::update(TaskId task) const {
  FEDLOOM_CHECK(ready(task), "task {} of client {} is not ready", task.number, task.client);
  return *tasks_.at(task).update;
}

void Fleet::on_update(PeerId id, Update update) {
  Peer& peer = peers_.at(id);
  const auto it = tasks_.find(update.id);
  if (it == tasks_.end() || it->second.peer != id) {
    peer.running -= peer.tasks.erase(update.id) > 0 && peer.running > 0 ? 1 : 0;
    const std::string text = fmt::format("task {} of client {}", update.id.number, update.id.client);
    // An update that its task's end crossed on the way is nobody's fault.
    const auto ended = peer.ended.find(update.id.client);
    if (ended == peer.ended.end() || ended->second != update.id.number)
      return refuse(id, Reason::unknown_task, text);
    peer.ended.erase(ended);
    return log_refusal(id, Reason::unknown_task, text);
  }
  Tracked& tracked = it->second;
  const bool sent_whole = update.slots.size() == update.reports.size() && update.reason == Reason::none;
  if (tracked.update && (tracked.here || !sent_whole))
    return refuse(id, Reason::duplicate,
                  fmt::format("task {} of client {}", update.id.number, update.id.client));
  const bool first = !tracked.update;
  if (first && peer.running > 0) --peer.running;
  if (first) refusals_.erase(id);  // over a long run a sound peer may have a few
  if (sent_whole) {
    // What a client says of its own floats is only believed of a worker's held ones.
    for (std::size_t i = 0; i < update.slots.size(); ++i) {
      const ValueCheck check = check_values(update.slots[i].values());
      update.reports[i].finite = check.finite;
      update.reports[i].largest = check.largest;
    }
    tracked.here = true;
    update.reason = strategy_.decode(update);
    if (!update.slots.empty()) channel_.keep(update.slots.front().data);
  } else if (!tracked.task.hold && update.reason == Reason::none) {
    update.reason = Reason::layout;
  }
  tracked.update = std::move(update);
  const bool announce = first && !std::exchange(tracked.redo, false);
  dispatch();
  if (announce) listener_.on_update(*tracked.update);
}

void Fleet::end(TaskId task, Verdict verdict, Reason reason) {
  const auto it = tasks_.find(task);
  if (it == tasks_.end()) return;
  if (it->second.patience != 0) executor_.cancel(it->second.patience);
  if (const auto peer = it->second.peer; peer && peers_.contains(*peer)) {
    Peer& holder = peers_.at(*peer);
    if (!it->second.update) {
      holder.ended[task.client] = task.number;
      if (holder.running > 0) --holder.running;
    }
    holder.tasks.erase(task);
    verdicts_for(*peer).entries.push_back({task, verdict, reason});
  } else {
    queue_.erase({it->second.due, it->second.task.window, task});
  }
  summing_.erase(task);
  tasks_.erase(it);
}

// A worker hears of a whole window's tasks in one message.
Verdicts& Fleet::verdicts_for(PeerId peer) {
  if (verdicts_.empty()) executor_.post([this] { send_verdicts(); });
  return verdicts_[peer];
}

void Fleet::send_verdicts() {
  for (const auto& [peer, verdicts] : std::exchange(verdicts_, {}))
    if (peers_.contains(peer)) send(peer, verdicts);
}

void Fleet::forget(const std::vector<TaskId>& states) {
  if (states.empty() || peers_.empty()) return;
  if (!options_.deployed) return send(peers_.begin()->first, Verdicts{{}, states, {}});
  for (const TaskId& state : states)
    if (const auto peer = clients_.find(state.client); peer != clients_.end())
      send(peer->second, Verdicts{{}, {state}, {}});
}

// ---- messages ----

void Fleet::on_message(PeerId peer, const Message& message) {
  if (dropped_.contains(peer)) return;  // it was on its way
  const auto type = static_cast<MessageType>(message.type);
  if (type == MessageType::hello) {
    if (const auto hello = decode<Hello>(message); hello && hello->capacity > 0)
      return on_hello(peer, *hello);
  } else if (!peers_.contains(peer)) {
    return refuse(peer, Reason::malformed, fmt::format("{} before hello", to_string(type)));
  }
  if (type == MessageType::update)
    if (auto update = decode<Update>(message)) return on_update(peer, std::move(*update));
  if (type == MessageType::partial_sum)
    if (const auto partial = decode<PartialSum>(message)) return on_partial(peer, *partial);
  if (type == MessageType::client_evaluations)
    if (const auto results = decode<ClientEvaluations>(message)) return on_evaluations(peer, *results);
  if (type == MessageType::goodbye)
    if (const auto goodbye = decode<Goodbye>(message)) {
      if (goodbye->failed && !options_.deployed) throw user_error("{}", goodbye->reason);
      return remove_peer(peer, goodbye->reason);
    }
  refuse(peer, Reason::malformed, fmt::format("a {} message that does not parse", to_string(type)));
}

}  // namespace fedloom
