// The server's view of its peers: who is there, who runs which task, who holds which update. It gives
// tasks to workers or to the one client they are for, gives them again when a peer dies, and gathers sums.
// It decides nothing about the federation: verdicts and weights come from the coordinator.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "algorithms/strategy.hpp"
#include "core/events.hpp"
#include "core/messages.hpp"
#include "server/federation_port.hpp"
#include "transport/channel.hpp"
#include "transport/codec.hpp"

namespace fedloom {

struct FleetOptions {
  Welcome welcome;
  std::optional<Payload> initial;  // the initial model, where peers cannot draw it from the seed
  bool deployed = false;           // peers are single clients, tasks go to the client they name
  Tick lost_after = 0;  // a deployed client that was lost this long ago loses its task; at goodbye, at once
  std::uint64_t population = 0;
  /// Whether whoever came with this key may be this client; where there are no keys, everybody may be
  /// anybody.
  std::function<bool(const std::string& key, ClientId client)> may_be = [](const std::string&, ClientId) {
    return true;
  };
  /// A peer is dropped at this many messages that do not parse or belong without an update between them that
  /// does; a channel does so with its frames.
  std::uint32_t max_refusals = ChannelOptions{}.max_bad_frames;
};

class Fleet {
 public:
  /// Waits, working on messages, until the predicate holds.
  using Pump = std::function<void(const std::function<bool()>&)>;

  struct Listener {
    /// An update (or failure) for a live task is here. Real time only.
    std::function<void(const Update&)> on_update = [](const Update&) {};
    std::function<void(TaskId, Reason)> on_lost = [](TaskId, Reason) {};
    /// A deployed client can be given tasks from now on.
    std::function<void(ClientId)> on_available = [](ClientId) {};
    std::function<void(const MachineEvent&)> on_event = [](const MachineEvent&) {};
  };

  Fleet(Channel& channel, Executor& executor, const Strategy& strategy, FleetOptions options, Pump pump,
        Listener listener);

  void publish(const Shared& shared);
  void publish(const Patch& patch);
  /// No task needs anything of this version any more.
  void retire(Version version);
  /// Workers are given the task that is due first before others.
  void start(const Task& task, Tick due = 0);
  /// Whether the task's update is known (its floats may be at a worker).
  bool ready(TaskId task) const;
  /// The update of a ready task.
  const Update& update(TaskId task) const;

  /// A new sum begins; accepted terms go into it until close_sum().
  void open_sum(PhaseSum sum);
  void accept(const Fold::Term& term);
  /// Waits until every accepted update is in.
  PhaseSum close_sum();
  void end(TaskId task, Verdict verdict, Reason reason);
  /// Kept client states that no checkpoint needs any more.
  void forget(const std::vector<TaskId>& states);
  std::vector<ClientEvaluation> evaluate_clients(Version version, const std::vector<TaskId>& clients);
  /// Says goodbye to every peer.
  void dismiss(const std::string& reason, bool failed);
  /// The run stops here and is to be gone on with: says goodbye to workers. Deployed clients end only when
  /// the run does, so they hear nothing, and wait for the server when its channel closes.
  void interrupt(const std::string& reason);
  /// A deployed client of an earlier process of this run is waited for as one that was lost just now.
  void expect(ClientId client);
  /// A peer is known to be dead before its silence shows it (its process ended).
  void peer_died(std::int64_t process);

  std::size_t peer_count() const { return peers_.size(); }
  /// Whether a deployed client may be given tasks: it is here, or was lost less than lost_after ago. A task
  /// given meanwhile waits for it.
  bool available(ClientId client) const;
  std::uint64_t examples(ClientId client) const;
  /// Resident processes of the peers, for reports: process ids as they said hello.
  std::vector<std::int64_t> processes() const;

 private:
  struct Peer {
    Hello hello;
    std::set<std::pair<std::string, Version>> has;  // shared vectors sent to it
    Version held_model = 0;                         // where the model goes by patches
    std::set<TaskId> tasks;                         // running there or held there
    std::size_t running = 0;
    // Tasks that ended while it worked on them, by client: an answer may be on its way.
    std::map<ClientId, std::uint32_t> ended;
  };
  struct Tracked {
    Task task;
    Tick due = 0;
    std::optional<PeerId> peer;
    std::optional<Update> update;
    bool here = false;  // the update's floats are here
    bool redo = false;  // was ready once; its holder died
    std::uint64_t weight = 0;
    bool folded = false;
    TimerId patience = 0;
  };
  struct Step {
    Patch patch;
    std::uint64_t bytes = 0;
  };
  struct PendingFold {
    PeerId peer;
    std::vector<TaskId> tasks;
    bool asked = false;  // for the sum: nothing is added any more
  };

  void on_peer(PeerId peer, PeerChange change, Reason reason);
  void on_message(PeerId peer, const Message& message);
  void on_hello(PeerId id, const Hello& hello);
  void on_update(PeerId id, Update update);
  void on_partial(PeerId peer, const PartialSum& partial);
  void ask_for_evaluations(Version version);
  void on_evaluations(PeerId peer, const ClientEvaluations& evaluations);
  void take_over(PeerId old, ClientId client);
  void remove_peer(PeerId id, const std::string& why);
  void dispatch();
  void assign(PeerId id, Tracked& tracked);
  void enqueue(const Tracked& tracked);
  void wait_for_client(Tracked& tracked);
  void send_initial(PeerId id);
  bool has_initial_model() const { return options_.initial || strategy_.traits().patches_model; }
  void send_shared(PeerId id, const std::string& name, Version version);
  std::optional<std::vector<const Patch*>> patches_between(Version from, Version to, std::uint64_t limit);
  Verdicts& verdicts_for(PeerId peer);
  void send_verdicts();
  void fold_here(std::size_t at_least);
  void fold_at_workers(bool close);
  bool sum_complete() const;
  std::map<PeerId, std::vector<Fold::Term>> held_terms() const;
  void refuse(PeerId peer, Reason reason, const std::string& text);
  void log_refusal(PeerId peer, Reason reason, const std::string& text);
  void drop(PeerId peer, Reason reason);
  template <class T>
  void send(PeerId peer, const T& value) {
    channel_.send(peer, encode(value));
  }

  Channel& channel_;
  Executor& executor_;
  const Strategy& strategy_;
  FleetOptions options_;
  Pump pump_;
  Listener listener_;

  std::map<PeerId, Peer> peers_;
  std::map<ClientId, PeerId> clients_;  // deployed clients that are here
  std::map<ClientId, Tick> lost_at_;    // deployed clients whose connection broke and that are not back
  std::map<ClientId, std::uint64_t> client_examples_;
  std::map<std::string, std::map<Version, Shared>, std::less<>> shared_;
  std::map<Version, Step> patches_;  // by the version that they start from
  std::map<TaskId, Tracked> tasks_;
  std::set<TaskId> summing_;  // accepted and not in the sum yet
  std::set<std::tuple<Tick, WindowId, TaskId>>
      queue_;  // to be given to workers, in the order in which they are due
  PhaseSum sum_;
  std::uint64_t fold_number_ = 0;
  std::size_t held_ = 0;  // accepted since workers were last told to add up
  std::map<std::uint64_t, PendingFold> folds_;
  std::map<PeerId, Verdicts> verdicts_;              // to be sent when the call at hand is done
  Version evaluated_ = 0;                            // of the latest evaluation on clients
  std::map<ClientId, TaskId> to_evaluate_;           // whose result is still wanted
  std::map<PeerId, std::set<ClientId>> evaluating_;  // who was asked for whose
  std::map<PeerId, std::set<Version>> given_up_;     // answers that nobody waits for any more
  std::vector<ClientEvaluation> evaluations_;
  std::map<PeerId, std::uint32_t> refusals_;  // since the last sound update
  std::set<PeerId> dropped_;                  // and not gone yet
};

}  // namespace fedloom
