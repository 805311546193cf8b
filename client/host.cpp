// Message by message, what a peer does.
#include "client/host.hpp"

#include <algorithm>
#include <utility>

#include "core/hash.hpp"
#include "core/version.hpp"
#include "transport/codec.hpp"

namespace fedloom {

ClientHost::ClientHost(Channel& channel, Executor& executor, Hello hello, WorldFactory make_world,
                       Ended ended, Say say)
    : channel_(channel),
      executor_(executor),
      hello_(std::move(hello)),
      make_world_(std::move(make_world)),
      ended_(std::move(ended)),
      say_(std::move(say)),
      outbox_(channel, executor, [this](std::optional<TaskId> task) { on_no_room(task); }) {
  ChannelHandlers handlers;
  handlers.on_message = [this](PeerId, Message&& message) { on_message(message); };
  handlers.on_peer = [this](PeerId peer, PeerChange change, Reason reason) { on_peer(peer, change, reason); };
  handlers.on_refused = [this](PeerId, Reason reason, const std::string& text) {
    say_(fmt::format("refused ({}): {}", to_string(reason), text));
    if (reason == Reason::version) ended_(text, true);
    if (reason == Reason::limit) outbox_.on_limit();
  };
  // While a task has the memory it may come back; a device that has none at rest has none for this model.
  handlers.on_no_memory = [this](PeerId, const std::string& text) {
    if (deployed() && running_.empty()) return give_up(text);
    say_(text);
  };
  channel_.set_handlers(std::move(handlers));
}

template <class T>
void ClientHost::send(const T& value) {
  channel_.send(kServerPeer, encode(value));
}

void ClientHost::on_peer(PeerId /*peer*/, PeerChange change, Reason reason) {
  outbox_.clear();
  if (change == PeerChange::left) {
    if (reason != Reason::none) say_(fmt::format("lost the server ({}); waiting for it", to_string(reason)));
    hooks_.lost();
    return;
  }
  // A server that is new to us, or came back, must send shared vectors again: it does not know what we have.
  shared_.clear();
  send(hello_);
}

void ClientHost::on_message(const Message& message) {
  switch (static_cast<MessageType>(message.type)) {
    case MessageType::welcome:
      if (const auto v = decode<Welcome>(message)) return on_welcome(*v);
      break;
    case MessageType::shared:
      if (auto v = decode<Shared>(message)) return on_shared(std::move(*v));
      break;
    case MessageType::patch:
      if (const auto v = decode<Patch>(message)) return on_patch(*v);
      break;
    case MessageType::task:
      if (const auto v = decode<Task>(message)) return on_task(*v);
      break;
    case MessageType::fold:
      if (const auto v = decode<Fold>(message)) return on_fold(*v);
      break;
    case MessageType::verdicts:
      if (const auto v = decode<Verdicts>(message)) return on_verdicts(*v);
      break;
    case MessageType::collect:
      if (const auto v = decode<Collect>(message)) return on_collect(*v);
      break;
    case MessageType::evaluate_clients:
      if (const auto v = decode<EvaluateClients>(message)) return on_evaluate(*v);
      break;
    case MessageType::goodbye:
      if (const auto v = decode<Goodbye>(message)) return ended_(v->reason, v->failed);
      break;
    default: break;
  }
  say_(fmt::format("ignored a {} message of {} bytes that does not parse",
                   to_string(static_cast<MessageType>(message.type)), message.head.size()));
}

void ClientHost::on_welcome(const Welcome& welcome) {
  if (world_ && run_ == welcome.run) return hooks_.joined();  // the same run again: all is as it was
  welcome_ = welcome;
  if (welcome.initial == 0 || welcome.initial == hello_.initial) enter_run();
}

void ClientHost::on_initial(const Payload& initial) {
  channel_.keep(initial.data);
  initial_ = initial;
  hello_.initial = hash64(initial.data.bytes());
  if (hello_.initial != welcome_.initial) return give_up("the initial model came damaged");
  enter_run();
}

void ClientHost::enter_run() {
  try {
    pool_.reset();
    held_.clear();
    sums_.clear();
    running_.clear();
    evaluating_ = 0;
    world_ = make_world_(welcome_.experiment,
                         welcome_.initial != 0 ? initial_.values() : std::span<const float>());
    pool_ = std::make_unique<TaskPool>(world_, hello_.capacity, executor_);
  } catch (const std::exception& error) {
    world_ = nullptr;
    return give_up(error.what());
  }
  if (world_->model->layout()->fingerprint() != welcome_.layout) {
    const std::string text = fmt::format(
        "the model here has layout {:016x}, the server's {:016x}; use the same "
        "build and plug-ins on both sides",
        world_->model->layout()->fingerprint(), welcome_.layout);
    pool_.reset();
    world_ = nullptr;
    return give_up(text);
  }
  run_ = welcome_.run;
  hooks_.joined();
}

bool ClientHost::busy() const {
  return training() || evaluating_ > 0 || !outbox_.empty() || channel_.stats().queued_bytes > 0;
}

void ClientHost::leave(const std::string& why) { send(Goodbye{why, false}); }

// There is no going on: the server and whoever started us hear why.
void ClientHost::give_up(const std::string& why) {
  send(Goodbye{why, true});
  ended_(why, true);
}

void ClientHost::on_shared(Shared shared) {
  if (shared.payload.name == "initial") return on_initial(shared.payload);
  auto& versions = shared_[shared.payload.name];
  versions.erase(versions.begin(), versions.lower_bound(shared.oldest_live));
  channel_.keep(shared.payload.data);
  versions[shared.version] = std::move(shared.payload);
}

// The next model, made of the one that is here; before the first of them that is everybody's initial model.
void ClientHost::on_patch(const Patch& patch) {
  if (!world_) return;
  if (!world_->strategy->traits().patches_model)
    return give_up("a patch of the model, which this strategy sends whole");
  try {
    const std::shared_ptr<const Layout> layout = world_->model->layout();
    const SliceSet exchanged = world_->strategy->exchanged(*layout);
    ParameterVector model(layout);
    std::copy(world_->initial.begin(), world_->initial.end(), model.values().begin());
    auto& versions = shared_["model"];
    if (patch.from > 0) {
      const auto before = versions.find(patch.from);
      if (before == versions.end() || before->second.values().size() != exchanged.size())
        throw user_error("a patch of version {} of the model, which is not here", patch.from);
      exchanged.scatter(before->second.values(), model.values());
    }
    world_->strategy->apply(patch.parts, model);
    Tensor next = Tensor::zeros({static_cast<std::int64_t>(exchanged.size())});
    exchanged.gather(model.values(), next.data);
    versions.clear();
    versions[patch.from + 1] = Payload::from("model", std::move(next));
  } catch (const std::exception& error) {
    give_up(error.what());
  }
}

std::optional<SharedVectors> ClientHost::vectors_of(const std::vector<std::string>& names,
                                                    Version version) const {
  SharedVectors vectors;
  for (const std::string& name : names) {
    // Whoever has the initial model has the shared one of version 0.
    const bool initial = welcome_.initial != 0 || (world_ && world_->strategy->traits().patches_model);
    if (name == "model" && version == 0 && initial) continue;
    const auto versions = shared_.find(name);
    if (versions == shared_.end()) return std::nullopt;
    const auto it = versions->second.find(version);
    if (it == versions->second.end()) return std::nullopt;
    vectors.emplace(name, it->second);
  }
  return vectors;
}

// A deployed client has one task at a time, so a later one proves the earlier settled: lost or accepted while
// we were away, with a verdict that never reached us. Only the state that this task starts from counts.
void ClientHost::settle_before(const Task& task) {
  const auto settled = [&](const TaskId& id) {
    if (id.client != task.id.client || id.number >= task.id.number) return false;
    if (world_ && world_->strategy->traits().keeps_client_state && id.number != task.kept_version)
      world_->store->drop(id.client, id.number);
    return true;
  };
  std::erase_if(held_, [&](const auto& entry) { return settled(entry.first); });
  std::erase_if(running_, settled);  // what it brings in the end is dropped with its state
}

void ClientHost::on_task(const Task& task) {
  if (deployed()) settle_before(task);
  if (running_.contains(task.id)) return;  // asked again after a reconnect; the answer is on its way
  if (const auto done = held_.find(task.id); done != held_.end()) {
    report(task, *done->second);
    return;
  }
  if (!takes_tasks_) return;
  auto vectors = vectors_of(task.shared, task.version);
  if (!pool_ || !vectors) {
    Update failed;
    failed.id = task.id;
    failed.reason = Reason::failed;
    failed.error = fmt::format("version {} of a shared vector is not here", task.version);
    send(failed);
    return;
  }
  running_.insert(task.id);
  hooks_.begun(task);
  const Tick begin = executor_.now();
  pool_->submit([this, task, begin, vectors = std::move(*vectors)](LocalTrainer& trainer) -> Executor::Task {
    auto update = std::make_shared<Update>(trainer.run(task, vectors));
    return [this, task, begin, update, world = world_] {
      if (world != world_) return;  // it is of a run before this one
      on_trained(task, std::move(*update), executor_.now() - begin);
    };
  });
}

void ClientHost::on_trained(const Task& task, Update update, Tick took) {
  // The verdict came while it was training: nobody waits for the update, nor for the state it proposed.
  if (running_.erase(task.id) == 0) {
    if (world_->strategy->traits().keeps_client_state) world_->store->drop(task.id.client, task.id.number);
    return;
  }
  // A mistake in the experiment fails every task alike: we say it once, the server hears of each.
  if (update.reason == Reason::failed && std::exchange(last_failure_, update.error) != update.error)
    say_(fmt::format("task {} of client {}: {}", task.id.number, task.id.client, update.error));
  hooks_.trained(task, update, took);
  if (task.hold || deployed()) held_[task.id] = std::make_shared<const Update>(update);
  report(task, std::move(update));
}

void ClientHost::report(const Task& task, Update update) {
  if (task.hold) update.slots.clear();
  outbox_.push(encode(update), task.id);
}

// The server must not wait for what will never come.
void ClientHost::on_no_room(std::optional<TaskId> task) {
  if (!task) return give_up("the server has no room for a sum or an evaluation of its clients");
  Update failed;
  failed.id = *task;
  failed.reason = Reason::limit;
  failed.error = "the server has no room for the update";
  send(failed);
}

// Here and not on a training thread, where it would wait for tasks that take far longer than it does.
void ClientHost::on_fold(const Fold& fold) {
  if (!pool_) return;
  std::vector<std::shared_ptr<const Update>> updates;
  for (const Fold::Term& term : fold.terms) {
    const auto it = held_.find(term.id);
    if (it == held_.end())
      return give_up(fmt::format("asked to sum task {} of client {}, which is not here", term.id.number,
                                 term.id.client));
    updates.push_back(it->second);
  }
  RunningSum& sum = sums_[fold.number];
  try {
    sum.add(fold, updates, *world_->strategy);
  } catch (const UserError& error) {
    return give_up(error.what());
  }
  for (const Fold::Term& term : fold.terms) held_.erase(term.id);
  if (!fold.answer) return;
  outbox_.push(encode(sum.answer(fold.number)));
  sums_.erase(fold.number);
}

void ClientHost::on_verdicts(const Verdicts& verdicts) {
  for (const Verdicts::Entry& entry : verdicts.entries) {
    held_.erase(entry.id);
    running_.erase(entry.id);
    if (!world_) continue;
    if (entry.verdict != Verdict::accepted && world_->strategy->traits().keeps_client_state)
      world_->store->drop(entry.id.client, entry.id.number);
    if (deployed() && entry.verdict != Verdict::accepted)
      say_(fmt::format("task {}: {} ({})", entry.id.number, to_string(entry.verdict),
                       to_string(entry.reason)));
    hooks_.judged(entry);
  }
  if (world_)
    for (const TaskId& old : verdicts.forget) world_->store->drop(old.client, old.number);
  for (auto& [name, versions] : shared_)
    for (const Version version : verdicts.retired) versions.erase(version);
}

void ClientHost::on_collect(const Collect& collect) {
  for (const TaskId& id : collect.tasks)
    if (const auto it = held_.find(id); it != held_.end()) outbox_.push(encode(*it->second), id);
}

void ClientHost::on_evaluate(const EvaluateClients& request) {
  auto vectors = vectors_of({"model"}, request.version);
  if (!pool_) return;
  // Clients that keep everything to themselves have no shared model; theirs is in the store.
  const SharedVectors shared = vectors ? std::move(*vectors) : SharedVectors{};
  auto answer = std::make_shared<ClientEvaluations>();
  answer->version = request.version;
  auto left = std::make_shared<std::size_t>(request.clients.size());
  evaluating_ += *left;
  for (const TaskId& client : request.clients)
    pool_->submit([this, client, shared, answer, left](LocalTrainer& trainer) -> Executor::Task {
      ClientEvaluation result;
      result.client = client.client;
      std::string failure;
      try {
        result = trainer.evaluate(client.client, client.number, shared);
      } catch (const std::exception& error) {
        failure = error.what();
      }
      return [this, result, failure, answer, left] {
        if (!failure.empty()) say_(fmt::format("evaluation of client {}: {}", result.client, failure));
        answer->results.push_back(result);
        --evaluating_;
        if (--*left == 0) outbox_.push(encode(*answer));
      };
    });
}

}  // namespace fedloom
