// What the coordinator asks of the world: tasks to be run, updates to be summed, models to be evaluated, and
// to be called at certain times. The driver is one such world, the tests' scripted port another.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/events.hpp"
#include "core/messages.hpp"
#include "server/federation_state.hpp"
#include "server/spent_task.hpp"

namespace fedloom {

struct EvaluationResult {
  double loss = 0.0;
  double accuracy = 0.0;
  std::uint64_t examples = 0;  // that were judged; hidden tokens, where those are predicted
};

/// What a call back into the coordinator is for.
enum class Moment : std::uint8_t {
  look,          // the open window may be complete for the time that has passed
  evaluation,    // evaluation by time is due
  end,           // the time of the run is over
  availability,  // a client that was missing could start now
  starts,        // everything that ends at this tick has ended: clients may be started
};

/// Calls are made on the coordinator's thread; none may call back from inside.
class FederationPort {
 public:
  virtual ~FederationPort() = default;
  /// A shared vector of a version exists from now on …
  virtual void publish(const Shared& shared) = 0;
  /// What makes the model of version patch.from + 1, published next, of the one before.
  virtual void publish(const Patch& patch) = 0;
  /// … until no task needs anything of this version any more.
  virtual void retire(Version version) = 0;
  /// What the task that is begun next costs its client's privacy, where that counts. To be kept where a crash
  /// does not reach it before the task goes out (CoordinatorConfig::spent).
  virtual void spend(const SpentTask& task) = 0;
  /// Begin a task, or begin it again after a resume. Its end is reported later through
  /// Coordinator::on_finished or on_lost.
  virtual void start(const LiveTask& task) = 0;
  /// A new sum begins. Accepted terms go into it, in any order and at any time until close_sum().
  virtual void open_sum(PhaseSum sum) = 0;
  virtual void accept(const Fold::Term& term) = 0;
  /// Waits until every accepted update is in the sum and returns it.
  virtual PhaseSum close_sum() = 0;
  /// The task has ended: its client hears, its held update may be forgotten.
  virtual void end(TaskId task, Verdict verdict, Reason reason) = 0;
  /// Call Coordinator::on_moment(what, window) at this time; `window` is the open one.
  virtual void call(Moment what, Tick when, WindowId window) = 0;
  /// The model's quality on a split ("test" or "validation") of a stage, 0 for all the data; nothing when
  /// that is empty.
  virtual std::optional<EvaluationResult> evaluate(std::span<const float> model, const std::string& split,
                                                   std::uint64_t stage) = 0;
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

}  // namespace fedloom
