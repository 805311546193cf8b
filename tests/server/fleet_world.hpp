// A fleet on in-process channels with peers that the test plays itself: they say what it tells them to and
// remember what they were told.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/fleet.hpp"
#include "tests/server/scripted_port.hpp"
#include "tests/transport/channel_world.hpp"
#include "transport/codec.hpp"

namespace fedloom::testing {

/// A worker or client that is a script.
class ScriptedPeer {
 public:
  ScriptedPeer(World& world, const Hello& hello) : world_(world), node_(world.client("inproc://test")) {
    world.wait([this] { return node_->seen.joined() == 1; });
    say(hello);
  }
  template <class T>
  void say(const T& value) {
    say_raw(encode(value));
  }
  void say_raw(Message message) { node_->channel->send(kServerPeer, std::move(message)); }
  /// Ends with a goodbye.
  void die() { node_->channel->close(); }
  /// Is gone without one.
  void vanish() { node_->channel->disconnect(kServerPeer, Reason::disconnected); }

  template <class T>
  std::vector<T> heard() const {
    std::vector<T> values;
    for (const auto& [peer, message] : node_->seen.messages)
      if (auto value = decode<T>(message)) values.push_back(std::move(*value));
    return values;
  }
  /// Waits until this many messages of a type have come, and returns them.
  template <class T>
  std::vector<T> hear(std::size_t count) {
    EXPECT_TRUE(world_.wait([&] { return heard<T>().size() >= count; }))
        << heard<T>().size() << " of " << count;
    return heard<T>();
  }
  std::vector<TaskId> tasks() const {
    std::vector<TaskId> ids;
    for (const Task& task : heard<Task>()) ids.push_back(task.id);
    return ids;
  }

 private:
  World& world_;
  std::unique_ptr<Node> node_;
};

/// Everything a fleet reported.
struct FleetLog {
  std::vector<TaskId> updates;
  std::vector<std::pair<TaskId, Reason>> lost;
  std::vector<ClientId> available;
  std::vector<PeerChanged> peers;
  std::vector<TaskRetried> retried;
  std::vector<Refused> refused;

  std::size_t refusals(Reason reason) const {
    return static_cast<std::size_t>(std::ranges::count(refused, reason, &Refused::reason));
  }
};

class FleetWorld {
 public:
  explicit FleetWorld(FleetOptions options = {}, const std::string& algorithm = "fedavg")
      : strategy(make_algorithm_of(algorithm).strategy), server_(world.server()) {
    Fleet::Listener listener;
    listener.on_update = [this](const Update& update) { log.updates.push_back(update.id); };
    listener.on_lost = [this](TaskId task, Reason reason) { log.lost.emplace_back(task, reason); };
    listener.on_available = [this](ClientId client) { log.available.push_back(client); };
    listener.on_event = [this](const MachineEvent& event) {
      if (const auto* changed = std::get_if<PeerChanged>(&event)) log.peers.push_back(*changed);
      if (const auto* retried = std::get_if<TaskRetried>(&event)) log.retried.push_back(*retried);
      if (const auto* refused = std::get_if<Refused>(&event)) log.refused.push_back(*refused);
    };
    fleet = std::make_unique<Fleet>(
        *server_->channel, world.executor, *strategy, std::move(options),
        [this](const std::function<bool()>& done) {
          if (!world.wait(done)) throw std::runtime_error("the fleet waits for something that does not come");
        },
        std::move(listener));
  }

  bool wait(const std::function<bool()>& done) { return world.wait(done); }
  std::unique_ptr<ScriptedPeer> worker(const std::string& name, std::uint32_t capacity = 1) {
    const std::size_t before = fleet->peer_count();
    Hello hello;
    hello.name = name;
    hello.capacity = capacity;
    hello.process = 1000 + static_cast<std::int64_t>(before);
    auto peer = std::make_unique<ScriptedPeer>(world, hello);
    EXPECT_TRUE(wait([&] { return fleet->peer_count() > before; }));
    return peer;
  }
  std::unique_ptr<ScriptedPeer> client(ClientId id, std::uint64_t examples = 10) {
    Hello hello;
    hello.name = fmt::format("client {}", id);
    hello.client = id;
    hello.examples = examples;
    return std::make_unique<ScriptedPeer>(world, hello);
  }
  /// The server's channel ends the conversation with a peer for this reason.
  void put_out(PeerId peer, Reason reason) { server_->channel->disconnect(peer, reason); }
  Task task(ClientId client, std::uint32_t number = 1, bool hold = true) const {
    Task task;
    task.id = {client, number};
    task.window = 1;
    task.shared = {"model"};
    task.hold = hold;
    return task;
  }
  void publish(Version version, float value = 1.0F) {
    fleet->publish({version, version, Payload::from("model", Tensor::vector({value, value}))});
  }

  World world{"inproc"};
  FleetLog log;
  std::unique_ptr<Strategy> strategy;

 private:
  std::unique_ptr<Node> server_;

 public:
  std::unique_ptr<Fleet> fleet;
};

/// The values a client contributes in these tests: fixed by its task.
inline FloatBuffer contribution_of(TaskId id, std::size_t size = 2) {
  Random random(5, Stream::noise, id.client, id.number);
  FloatBuffer values(size);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

/// The whole update, and the form of it that stays with its worker.
inline Update whole_update(TaskId id, std::size_t size = 2) {
  return make_update(id, 10 + id.client, {{"delta", contribution_of(id, size)}});
}
inline Update held_update(TaskId id, std::size_t size = 2) {
  Update update = whole_update(id, size);
  update.slots.clear();
  return update;
}

/// What an honest worker answers to a fold.
inline PartialSum answer_fold(const Strategy& strategy, const Fold& fold) {
  PhaseSum sum;
  for (const Fold::Slot& slot : fold.slots)
    sum.slots.emplace(slot.name, SlotSum{FixedPointSum(slot.size, slot.scale), 1.0, slot.weighting});
  std::vector<Update> updates;
  for (const Fold::Term& term : fold.terms) updates.push_back(whole_update(term.id, fold.slots.front().size));
  std::vector<Contribution> contributions;
  for (std::size_t i = 0; i < updates.size(); ++i)
    contributions.push_back({&updates[i], fold.terms[i].weight});
  strategy.fold(contributions, sum);
  PartialSum answer;
  answer.number = fold.number;
  answer.terms = fold.terms.size();
  for (const Fold::Slot& slot : fold.slots)
    answer.units.push_back(Blob::copy_of(std::as_bytes(sum.slots.at(slot.name).sum.units())));
  return answer;
}

inline PhaseSum empty_delta_sum(std::size_t size = 2, std::uint64_t cohort = 64) {
  return empty_sum(train_phase({}, size), 1000, 1000.0 * static_cast<double>(cohort), cohort);
}

inline std::vector<std::int64_t> units(const PhaseSum& sum) {
  const auto values = sum.slot("delta").sum.units();
  return {values.begin(), values.end()};
}

/// The sum of these tasks, added up right here.
inline std::vector<std::int64_t> expected_units(const std::vector<TaskId>& tasks, std::size_t size = 2) {
  PhaseSum sum = empty_delta_sum(size);
  const auto strategy = make_algorithm_of("fedavg").strategy;
  for (const TaskId& id : tasks) {
    const Update update = whole_update(id, size);
    const Contribution contribution{&update, update.examples};
    strategy->fold({&contribution, 1}, sum);
  }
  return units(sum);
}

}  // namespace fedloom::testing
