// The federation itself, without I/O: windows, phases, cohorts, verdicts, weights and versions. It is told
// what happened and when, and acts through a FederationPort. The same core runs under a simulated clock,
// across processes and for deployed clients; tests drive it by hand.
// Tasks of a pacer that overlaps go on when their window closes and count in a later one.
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
#include "server/failing_clients.hpp"
#include "server/federation_port.hpp"
#include "server/federation_state.hpp"
#include "server/pacer.hpp"
#include "server/population.hpp"
#include "server/privacy_budget.hpp"

namespace fedloom {

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
  std::uint64_t windows = 1;  // rounds; 0: no limit
  Tick duration = 0;          // the run ends at this tick; 0: no limit
  Recipe recipe;
  Schedule schedule;      // of the learning rate over windows
  double lr_decay = 1.0;  // and a factor beside it: window w has scheduled rate * lr_decay^(w-1)
  StragglerPolicy stragglers;
  double adapter_alpha = 0.0;        // of LoRA factors
  bool initial_travels = false;      // every client is sent the initial model once
  bool hold_updates = false;         // workers keep updates and fold them
  std::uint64_t evaluate_every = 1;  // windows; 0: only at the end
  Tick evaluate_interval = 0;        // > 0: at all its multiples as well
  std::uint64_t stages = 0;          // where data comes in stages, their number
  /// Windows of each stage, one after the other; empty: all are trained at once, in every window.
  std::vector<std::uint64_t> stage_windows;
  bool task_heads = false;  // every stage has outputs of its own
  std::string evaluate_on = "test";
  std::uint64_t evaluate_clients = 0;  // number of clients evaluated on their own data; 0 = none
  double target_accuracy = 0.0;        // 0: none
  bool stop_at_target = true;
  double ticks_per_second =
      1.0;  // told in RunStarted, for whoever reads the log; nothing is computed from it
  std::optional<PrivacySettings> privacy;
  /// Seed of what hides clients where the server does that: whom a round samples, and noise. Nothing: `seed`.
  std::optional<std::uint64_t> secret;
  /// All that FederationPort::spend was told by the run so far; of windows that are in the state nothing is
  /// used.
  std::vector<SpentTask> spent;
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
  /// A call that the coordinator asked for. One that is out of date changes nothing.
  void on_moment(Tick now, Moment what, WindowId window);
  /// A client has become available; matters when there were too few.
  void on_available(Tick now);
  /// Stop after the window that is open, as on a signal.
  void stop_after_window() { stop_requested_ = true; }

  bool ended() const { return ended_; }
  const FederationState& state() const { return state_; }
  WindowId open_window() const { return state_.windows + 1; }

 private:
  struct Accepted {
    ContributionView contribution;
    Version version = 0;       // that it started from
    std::uint64_t weight = 0;  // once it is known
    std::map<std::string, double> scalars;
  };

  // coordinator.cpp: windows and versions
  void start_anew(Tick now);
  void take_up(Tick now);
  void ask_for_times(Tick now);
  void proceed(Tick now);
  void open(Tick now);
  bool make_phase(Tick now);
  void look(Tick now, WindowId window);
  void ask_for_look(Tick now);
  PhaseSum sum_of_accepted();
  void sum_overlapping();
  void rebase(PhaseSum& sum) const;
  void close_phase(Tick now);
  void close_window(Tick now);
  void advance();
  bool reached_target() const;
  void finish_if_done(Tick now, bool evaluated);
  void finish(Tick now, const std::string& reason);
  WindowView view() const;

  // coordinator_versions.cpp
  void publish_model(const PatchParts& patch = {});
  void note_patch(std::uint64_t bytes);
  void publish_payload(const Payload& payload);
  void release(Version version);

  // coordinator_tasks.cpp: from a start to a verdict
  void ask_for_starts(Tick now);
  void start_tasks(Tick now);
  void wait_for_clients(Tick now);
  bool eligible(ClientId client, Tick now) const;
  void start_task(Tick now, ClientId client);
  Recipe recipe_for(TaskId task, bool& straggler) const;
  std::uint64_t examples_of(ClientId client) const;
  Work work_of(TaskId task, const Recipe& recipe, std::uint64_t examples, std::uint64_t bytes_down) const;
  std::uint64_t bytes_up_of(const Task& task) const;
  Work ordinary_work(ClientId client, std::int64_t steps) const;
  Reason judge(const Update& update, const LiveTask& live) const;
  void settle(Tick now, TaskId id, Verdict verdict, Reason reason, const Update* update);
  void count(Verdict verdict, Reason reason);
  void take_in(Tick now, const Update& update, const LiveTask& live, std::uint64_t staleness);
  void open_sum();
  std::uint64_t charge_initial(ClientId client);
  std::uint64_t charge_model(ClientId client);

  // coordinator_hope.cpp: clients that fail, and when the run is given up
  void note_outcome(Tick now, ClientId client, Verdict verdict);
  void check_hope() const;
  void check_window();
  std::string last_words() const;

  // coordinator_privacy.cpp
  bool affords(ClientId client) const;
  bool somebody_affords() const;
  bool affords_round() const;
  void protect(LiveTask& live);
  void remember_spent();
  std::int64_t paid_before(ClientId client, const ClientRecord& record) const;
  double clip_norm() const;
  double expected_cohort() const;
  std::uint64_t secret() const { return config_.secret.value_or(config_.seed); }
  bool hides_clients() const { return budget_ && budget_->settings().central(); }
  void hide_clients(PhaseSum& sum);
  void note_privacy();
  // coordinator_stages.cpp
  StageMoment stage_of(WindowId window) const;
  bool due_at(WindowId windows) const;
  void evaluate_stages(Tick now);
  void note_forgetting(StagesEvaluated& event) const;

  // coordinator_evaluation.cpp
  void evaluate(Tick now);
  void evaluate_by_time(Tick now);
  void evaluate_clients(Tick now);
  void charge_evaluation(ClientId client, ClientsEvaluated& event);
  void note_evaluation(Tick now, const EvaluationResult& result);

  CoordinatorConfig config_;
  const Strategy& strategy_;
  const Pacer& pacer_;
  const Sampler& sampler_;
  const Population& population_;
  FederationPort& port_;
  FederationState state_;
  SliceSet exchanged_;
  std::unique_ptr<ClientFacts> facts_;
  std::unique_ptr<PrivacyBudget> budget_;  // where privacy was asked for
  // Tasks that were given out in the open window before a crash, and have not been again.
  std::set<SpentTask, SpentTask::ByTask> given_before_;

  // The open window.
  Tick opened_ = 0;
  Tick looked_ = 0;
  WindowSums sums_;
  std::optional<Phase> phase_;
  std::uint64_t task_bytes_ = 0;    // down, of an ordinary task of this phase with all it needs
  std::uint64_t update_bytes_ = 0;  // up
  std::set<ClientId> cohort_;       // clients started in this phase, by a pacer that does not overlap
  std::vector<ClientId> previous_;  // cohort of the previous phase of this window
  std::uint64_t started_ = 0;
  bool opening_ = true;
  bool starts_asked_ = false;
  std::set<Tick> wakes_;       // when missing clients are waited for
  bool drawn_ = false;         // this phase has its cohort, which may be nobody
  bool budget_spent_ = false;  // nobody can be asked any more
  bool sum_open_ = false;
  std::vector<TaskId> superseded_;
  std::map<TaskId, Accepted> accepted_;
  WindowClosed closed_;
  double loss_sum_ = 0.0;
  std::uint64_t loss_count_ = 0;
  std::uint64_t fruitless_ = 0;        // windows in a row of which every update was rejected
  std::uint64_t rejected_in_row_ = 0;  // since the last acceptance
  std::uint64_t lost_in_row_ = 0;
  Reason last_rejection_ = Reason::none;
  std::string last_failure_;               // in the words of the client that failed last
  std::optional<FailingClients> failing_;  // of a deployed run
  std::optional<WindowId> evaluated_;      // closed windows at the latest evaluation
  std::pair<Version, std::optional<EvaluationResult>> quality_;  // of the version evaluated last
  bool ended_ = false;
  bool stop_requested_ = false;
};

}  // namespace fedloom
