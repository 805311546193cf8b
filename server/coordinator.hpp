// The federation itself, without I/O: windows, phases, cohorts, verdicts, weights and versions. It is told
// what happened and when, and acts through a FederationPort. The same core runs under a simulated clock,
// across processes and for deployed clients; tests drive it by hand.
//
//   open window ─▶ next phase ─▶ cohort ─▶ tasks … finished | lost | deadline ─▶ phase closes
//        ▲             ▲                                                            │ fold
//        │             └──────────────── the strategy wants another phase ──────────┤
//        └── evaluate, checkpoint ◀── advance: the next model ◀─────────────────────┘
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "algorithms/sampler.hpp"
#include "algorithms/strategy.hpp"
#include "core/events.hpp"
#include "core/messages.hpp"
#include "server/federation_state.hpp"
#include "server/pacer.hpp"
#include "server/population.hpp"

namespace fedloom {

struct EvaluationResult {
  double loss = 0.0;
  double accuracy = 0.0;
  std::uint64_t examples = 0;
};

/// What the coordinator asks of the world. Calls are made on the coordinator's thread; none may call back.
class FederationPort {
 public:
  virtual ~FederationPort() = default;
  /// A shared vector of a version exists from now on; `oldest_live` may be forgotten below.
  virtual void publish(const Shared& shared) = 0;
  /// Begin a task. Its end is reported later through Coordinator::on_finished or on_lost.
  virtual void start(const Task& task) = 0;
  /// A new sum begins. Accepted terms go into it, in any order and at any time until close_sum().
  virtual void open_sum(PhaseSum sum) = 0;
  virtual void accept(const Fold::Term& term) = 0;
  /// Waits until every accepted update is in the sum and returns it.
  virtual PhaseSum close_sum() = 0;
  /// The task has ended: its client hears, its held update may be forgotten.
  virtual void end(TaskId task, Verdict verdict, Reason reason) = 0;
  /// Call Coordinator::on_deadline(window) at this time.
  virtual void set_deadline(WindowId window, Tick when) = 0;
  /// The model's quality on a split ("test" or "validation"), or nothing when the split is empty.
  virtual std::optional<EvaluationResult> evaluate(std::span<const float> model,
                                                   const std::string& split) = 0;
  /// The published model on clients' own held-out data.
  /// `clients` are named with the task whose state they keep (0: none); results are in client order.
  virtual std::vector<ClientEvaluation> evaluate_clients(Version version,
                                                         const std::vector<TaskId>& clients) = 0;
  virtual void emit(const FederationEvent& event) = 0;
  /// A window boundary was reached; `state` is complete, and the same whether or not more windows follow.
  /// `superseded` are kept client states that newer ones have replaced in this window: whoever starts from
  /// this boundary or a later one does not need them. state.superseded is the port's own.
  virtual void boundary(FederationState& state, const std::vector<TaskId>& superseded) = 0;
};

/// Partial work of slow clients, as in FedProx's experiments.
struct StragglerPolicy {
  double fraction = 0.0;  // of tasks
  bool keep = true;       // false: a straggler's update is discarded as late
};

struct CoordinatorConfig {
  std::string experiment;
  std::string strategy_name;
  std::string pacer_name;
  std::string model_name;
  std::string data_name;
  std::uint64_t seed = 1;
  std::uint64_t windows = 1;  // rounds
  Recipe recipe;
  Schedule schedule;      // of the learning rate over windows
  double lr_decay = 1.0;  // and a factor beside it: window w has scheduled rate * lr_decay^(w-1)
  StragglerPolicy stragglers;
  bool hold_updates = false;         // workers keep updates and fold them
  std::uint64_t evaluate_every = 1;  // 0: only at the end
  std::string evaluate_on = "test";
  std::uint64_t evaluate_clients = 0;  // number of clients evaluated on their own data; 0 = none
  double target_accuracy = 0.0;        // 0: none
  bool stop_at_target = true;
  double ticks_per_second =
      1.0;  // told in RunStarted, for whoever reads the log; nothing is computed from it
};

class Coordinator {
 public:
  /// All references must outlive the coordinator. `state` is fresh (windows == 0, model initialised) or
  /// from a checkpoint.
  Coordinator(CoordinatorConfig config, const Strategy& strategy, const Pacer& pacer, const Sampler& sampler,
              const Population& population, FederationPort& port, FederationState state);

  /// Opens the first window (or the one after the checkpoint); ends at once when no window is left.
  void begin(Tick now);
  void on_finished(Tick now, const Update& update);
  void on_lost(Tick now, TaskId task, Reason reason);
  void on_deadline(Tick now, WindowId window);
  /// A client has become available; matters when the window could start nobody.
  void on_available(Tick now);
  /// Stop after the window that is open, as on a signal.
  void stop_after_window() { stop_requested_ = true; }

  bool ended() const { return ended_; }
  const FederationState& state() const { return state_; }
  WindowId open_window() const { return state_.windows + 1; }

 private:
  struct LiveTask {
    Version version = 0;
    std::uint64_t examples = 0;  // registered when it was started: a client may register anew meanwhile
    std::uint64_t bytes_down = 0;
    bool straggler = false;
  };
  struct Accepted {
    std::uint64_t weight = 0;
    std::map<std::string, double> scalars;
  };

  void proceed(Tick now);
  void open(Tick now);
  bool make_phase(Tick now);
  void start_tasks(Tick now);
  void start_task(Tick now, ClientId client);
  Recipe recipe_for(TaskId task, bool& straggler) const;
  Reason judge(const Update& update, const LiveTask& live) const;
  void settle(Tick now, TaskId id, Verdict verdict, Reason reason, const Update* update);
  void take_in(const Update& update, std::uint64_t staleness);
  void open_sum();
  void close_phase(Tick now);
  void close_window(Tick now);
  void evaluate(Tick now);
  void evaluate_clients(Tick now);
  void charge_evaluation(ClientId client, ClientsEvaluated& event);
  std::uint64_t charge_model(ClientId client);
  void note_evaluation(Tick now, const EvaluationResult& result);
  void finish_if_done(Tick now, bool evaluated);
  void finish(Tick now, const std::string& reason);
  void publish_model();
  WindowView view(Tick now) const;

  CoordinatorConfig config_;
  const Strategy& strategy_;
  const Pacer& pacer_;
  const Sampler& sampler_;
  const Population& population_;
  FederationPort& port_;
  FederationState state_;
  SliceSet exchanged_;

  // The open window.
  Tick opened_ = 0;
  WindowSums sums_;
  std::optional<Phase> phase_;
  std::set<ClientId> cohort_;       // clients started in this phase
  std::vector<ClientId> previous_;  // cohort of the previous phase of this window
  std::uint64_t started_ = 0;
  bool sum_open_ = false;
  bool late_ = false;  // the deadline passed in this phase, with too few in
  std::vector<TaskId> superseded_;
  std::map<TaskId, LiveTask> live_;
  std::map<TaskId, Accepted> accepted_;
  WindowClosed closed_;
  double loss_sum_ = 0.0;
  std::uint64_t loss_count_ = 0;
  std::uint64_t fruitless_ = 0;  // windows in a row of which every update was rejected
  Reason last_rejection_ = Reason::none;
  bool ended_ = false;
  bool stop_requested_ = false;
};

}  // namespace fedloom
