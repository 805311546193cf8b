// The peer's side of the protocol: a worker that hosts any client of a simulation, or a deployed client
// that is one. It answers tasks with updates, sums what it holds when told to, and keeps nothing longer
// than the server's verdict. It knows channels and threads only through their interfaces.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "client/outbox.hpp"
#include "client/running_sum.hpp"
#include "client/task_pool.hpp"
#include "core/messages.hpp"
#include "transport/channel.hpp"

namespace fedloom {

class ClientHost {
 public:
  /// Builds the world of a run from the experiment text of the welcome and the initial model that the server
  /// sent, if it did (empty: drawn from the seed); throws UserError when it cannot.
  using WorldFactory = std::function<std::shared_ptr<const LocalWorld>(const std::string& experiment,
                                                                       std::span<const float> initial)>;
  /// The run is over for this peer.
  using Ended = std::function<void(const std::string& reason, bool failed)>;
  /// Something a person may want to read.
  using Say = std::function<void(const std::string& text)>;

  /// What goes on, for whoever shows it. All on the executor's thread.
  struct Hooks {
    std::function<void()> joined = [] {};  // a server took us in, the first or again
    std::function<void()> lost = [] {};    // the connection is gone
    std::function<void(const Task&)> begun = [](const Task&) {};
    /// A task was done, well or not (update.reason); `took` includes the wait for a thread.
    std::function<void(const Task&, const Update&, Tick took)> trained = [](const Task&, const Update&,
                                                                            Tick) {};
    std::function<void(const Verdicts::Entry&)> judged = [](const Verdicts::Entry&) {};
  };

  /// `hello` is what the server is told; hello.capacity is the number of training threads.
  ClientHost(Channel& channel, Executor& executor, Hello hello, WorldFactory make_world, Ended ended,
             Say say);

  void set_hooks(Hooks hooks) { hooks_ = std::move(hooks); }
  /// Whether a task is being trained.
  bool training() const { return !running_.empty(); }
  /// With false no more tasks are begun, by somebody who is about to leave.
  void take_tasks(bool yes) { takes_tasks_ = yes; }
  /// Whether leaving now would lose something: a task or an evaluation at work, or an answer not yet sent.
  bool busy() const;
  /// Tells the server that this peer goes; whoever calls it closes the channel.
  void leave(const std::string& why);
  /// It cannot go on: tells the server why, and `ended` hears that it failed.
  void give_up(const std::string& why);

 private:
  bool deployed() const { return hello_.client.has_value(); }
  void on_peer(PeerId peer, PeerChange change, Reason reason);
  void on_message(const Message& message);
  void on_welcome(const Welcome& welcome);
  void on_initial(const Payload& initial);
  void enter_run();
  void on_shared(Shared shared);
  void on_patch(const Patch& patch);
  void on_task(const Task& task);
  void settle_before(const Task& task);
  void on_trained(const Task& task, Update update, Tick took);
  void report(const Task& task, Update update);
  void on_no_room(std::optional<TaskId> task);
  void on_fold(const Fold& fold);
  void on_verdicts(const Verdicts& verdicts);
  void on_collect(const Collect& collect);
  void on_evaluate(const EvaluateClients& request);
  template <class T>
  void send(const T& value);
  std::optional<SharedVectors> vectors_of(const std::vector<std::string>& names, Version version) const;

  Channel& channel_;
  Executor& executor_;
  Hello hello_;
  WorldFactory make_world_;
  Ended ended_;
  Say say_;
  Hooks hooks_;
  Outbox outbox_;

  std::string run_;
  Welcome welcome_;  // of the run that is being entered
  Payload initial_;  // the latest that came; its hash is in hello_
  std::string last_failure_;
  std::shared_ptr<const LocalWorld> world_;
  std::map<std::string, std::map<Version, Payload>, std::less<>> shared_;
  std::set<TaskId> running_;
  std::size_t evaluating_ = 0;
  bool takes_tasks_ = true;
  std::map<TaskId, std::shared_ptr<const Update>> held_;  // until they are summed, or the verdict
  std::map<std::uint64_t, RunningSum> sums_;
  std::unique_ptr<TaskPool> pool_;  // last: its jobs see the members above
};

}  // namespace fedloom
