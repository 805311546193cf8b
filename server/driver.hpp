// Joins the federation's core with the world: in virtual time it lets training run ahead on the workers and
// takes each result when its tick comes; in real time it takes results as they arrive. Clock, channel,
// evaluation, sinks and checkpoints come in through the constructor.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/events.hpp"
#include "core/simulated_executor.hpp"
#include "server/checkpoint.hpp"
#include "server/coordinator.hpp"
#include "server/devices/one_tick.hpp"
#include "server/fleet.hpp"
#include "transport/asio_executor.hpp"

namespace fedloom {

/// What a person wants: nothing, to stop at the end of the open window, to stop at once. In real time a
/// window of which nothing completes for five seconds after the wish is not waited for.
enum class Interrupt : std::uint8_t { none, after_window, now };

struct DriverParts {
  CoordinatorConfig config;
  FleetOptions fleet;
  const Strategy* strategy = nullptr;
  const Pacer* pacer = nullptr;
  const Sampler* sampler = nullptr;
  /// Example counts of clients by index; deployed clients report their own.
  std::function<std::uint64_t(ClientId)> examples;
  /// Those of one stage, where data comes in stages.
  std::function<std::uint64_t(ClientId, std::uint64_t stage)> stage_examples;
  std::uint64_t clients = 0;
  std::uint64_t peers_to_wait_for = 1;  // before the first window opens

  bool virtual_time = true;
  /// What tasks take in virtual time, and in real time how long a worker's answer is held back so that it
  /// comes when the device would have sent it. Nothing: one tick, and as it comes.
  std::shared_ptr<const Devices> devices;
  Channel* channel = nullptr;
  AsioExecutor* executor = nullptr;
  std::function<std::optional<EvaluationResult>(std::span<const float>, const std::string& split,
                                                std::uint64_t stage)>
      evaluate;
  std::vector<Sink*> sinks;
  /// Called at each window boundary; true when a checkpoint that holds the boundary was written.
  std::function<bool(const FederationState&)> checkpoint;
  std::uint64_t checkpoints_kept = 1;
  /// FederationPort::spend.
  std::function<void(const SpentTask&)> spend = [](const SpentTask&) {};
  /// Asked often: whether a person wants the run to stop.
  std::function<Interrupt()> interrupt = [] { return Interrupt::none; };
  /// Asked often: notices dead workers and throws when the run cannot go on.
  std::function<void()> watch = [] {};
  /// Resident bytes of this process and of all processes of the run on this machine.
  std::function<std::pair<std::uint64_t, std::uint64_t>()> memory = [] {
    return std::pair<std::uint64_t, std::uint64_t>{};
  };
  FederationState state;
};

/// Thrown out of run() when Interrupt::now is asked for, or the open window does not end after a wish to
/// stop.
struct Interrupted : std::runtime_error {
  Interrupted() : std::runtime_error("interrupted") {}
};

class Driver final : private FederationPort {
 public:
  explicit Driver(DriverParts parts);

  /// Runs to the end, to the target, or to the boundary after an interrupt. The final state is in state().
  /// Throws UserError when the run cannot go on.
  void run();
  const FederationState& state() const { return coordinator_.state(); }
  /// A peer's process is known to have ended.
  void peer_died(std::int64_t process) { fleet_.peer_died(process); }
  void dismiss(const std::string& reason, bool failed) { fleet_.dismiss(reason, failed); }
  void interrupt(const std::string& reason) { fleet_.interrupt(reason); }

 private:
  void publish(const Shared& shared) override { fleet_.publish(shared); }
  void publish(const Patch& patch) override { fleet_.publish(patch); }
  void retire(Version version) override { fleet_.retire(version); }
  void spend(const SpentTask& task) override { parts_.spend(task); }
  void start(const LiveTask& live) override;
  void open_sum(PhaseSum sum) override { fleet_.open_sum(std::move(sum)); }
  void accept(const Fold::Term& term) override { fleet_.accept(term); }
  PhaseSum close_sum() override { return fleet_.close_sum(); }
  void end(TaskId task, Verdict verdict, Reason reason) override;
  void call(Moment what, Tick when, WindowId window) override;
  std::optional<EvaluationResult> evaluate(std::span<const float> model, const std::string& split,
                                           std::uint64_t stage) override {
    return parts_.evaluate(model, split, stage);
  }
  std::vector<ClientEvaluation> evaluate_clients(Version version,
                                                 const std::vector<TaskId>& clients) override {
    return fleet_.evaluate_clients(version, clients);
  }
  void emit(const FederationEvent& event) override;
  void emit(const MachineEvent& event);
  void boundary(FederationState& state, const std::vector<TaskId>& superseded) override;
  void forget_states(FederationState& state, const std::vector<TaskId>& superseded);

  Population make_population();
  Fleet::Listener make_listener();
  Tick now() const { return parts_.virtual_time ? virtual_.now() : resumed_at_ + parts_.executor->now(); }
  void run_virtually();
  void schedule(const LiveTask& live, const Course& course);
  void start_slowly(const LiveTask& live, const Course& course);
  void end_slowly(TaskId id);
  void deliver(TaskId task);
  void enter(Executor::Task entry);
  void expect_time(Tick when) const;
  void pump(const std::function<bool()>& done);
  void check_interrupt();
  void on_event(const Event& event);
  void note_failure(const Update& update);

  DriverParts parts_;
  OneTickDevices one_tick_;
  Population population_;
  Tick resumed_at_;                 // real time goes on where a checkpoint left it
  std::uint64_t trainings_before_;  // by earlier processes of a resumed run
  SimulatedExecutor virtual_;
  Fleet fleet_;
  Coordinator coordinator_;
  bool begun_ = false;
  std::optional<Tick> stopping_;  // since when nothing has completed, once somebody wants to stop
  TimerId look_ = 0;              // at the open window, in real time
  // When each live task ends where devices say so: an event in virtual time, a timer in real time.
  struct Ending {
    Tick tick = 0;
    Reason lost = Reason::none;
    TimerId timer = 0;
  };
  std::map<TaskId, Ending> endings_;
  std::deque<Executor::Task> entries_;  // what the coordinator is to hear, in real time
  bool entered_ = false;
  std::set<TaskId> due_;      // emulated devices that have finished before their worker
  std::set<TaskId> unsaved_;  // kept states that count and that no checkpoint names
  // Kept states of checkpoints that newer ones replaced, one list for each interval between checkpoints.
  std::deque<std::vector<TaskId>> superseded_ = std::deque<std::vector<TaskId>>(1);
  std::uint64_t failures_in_row_ = 0;
  std::set<ClientId> failing_;  // deployed clients whose latest task failed
};

}  // namespace fedloom
