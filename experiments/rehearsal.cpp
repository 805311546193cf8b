// A port of the coordinator that counts and answers.
#include "experiments/rehearsal.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <utility>

#include "server/coordinator.hpp"
#include "server/devices/one_tick.hpp"
#include "transport/codec.hpp"

namespace fedloom {

namespace {

// Small beside any model, and not zero: strategies divide by norms of what clients send.
constexpr float kNextToNothing = 0x1p-20F;

class Rehearsal final : public FederationPort {
 public:
  explicit Rehearsal(const Strategy& strategy, std::uint64_t initial_bytes)
      : strategy_(strategy), initial_bytes_(initial_bytes) {}

  void play(Coordinator& coordinator, bool overlaps) {
    coordinator.begin(0);
    while (!coordinator.ended()) {
      if (!tasks_.empty() && !overlaps) {
        const LiveTask live = std::exchange(tasks_.front(), {});
        tasks_.pop_front();
        Update update = answer(coordinator.state().server, live);
        updates_[update.id] = update;
        coordinator.on_finished(++now_, update);
      } else if (!calls_.empty()) {
        const Call call = calls_.front();
        calls_.pop_front();
        coordinator.on_moment(now_ = std::max(now_, call.when), call.what, call.window);
        if (overlaps) break;
      } else {
        break;
      }
    }
    if (overlaps) rounds.push_back(open_);
  }

  std::vector<RehearsedRound> rounds;

 private:
  struct Call {
    Moment what;
    Tick when;
    WindowId window;
  };

  Update answer(const ServerState& state, const LiveTask& live) {
    Update update;
    update.id = live.task.id;
    update.examples = update.loss_count = live.examples;
    update.steps = 1;
    for (const auto& [name, slot] : sum_.slots) {
      const std::size_t size = strategy_.slot_size(state, {name, slot.size(), slot.weighting}, live.task);
      update.reports.push_back({name, size, true, kNextToNothing});
      Payload& values = payloads_[size];
      if (values.values().size() != size)
        values = Payload::from(name, Tensor::vector(FloatBuffer(size, kNextToNothing)));
      values.name = name;
      update.slots.push_back(values);
    }
    return update;
  }

  void start(const LiveTask& live) override {
    ++open_.tasks;
    open_.bytes_up += live.work.bytes_up;
    open_.bytes_down += live.work.bytes_down + deployed_verdict_size();
    if (seen_.insert(live.task.id.client).second) {
      ++open_.newcomers;
      open_.bytes_down -= initial_bytes_;
    }
    tasks_.push_back(live);
  }
  void open_sum(PhaseSum sum) override { sum_ = std::move(sum); }
  void accept(const Fold::Term& term) override { terms_.push_back(term); }
  PhaseSum close_sum() override {
    // All that is summed says the same: one term stands for all.
    if (!terms_.empty()) {
      const Contribution contribution{&updates_.at(terms_.front().id), terms_.front().weight};
      strategy_.fold({&contribution, 1}, sum_);
    }
    if (strategy_.traits().keeps_updates)
      for (const Fold::Term& term : terms_) sum_.updates.push_back(std::move(updates_.at(term.id)));
    std::ranges::sort(sum_.updates, {}, &Update::id);
    terms_.clear();
    return std::exchange(sum_, {});
  }
  void end(TaskId task, Verdict, Reason) override {
    updates_.erase(task);
    std::erase_if(tasks_, [&](const LiveTask& live) { return live.task.id == task; });
  }
  void call(Moment what, Tick when, WindowId window) override { calls_.push_back({what, when, window}); }
  void boundary(FederationState&, const std::vector<TaskId>&) override {
    rounds.push_back(std::exchange(open_, {}));
  }

  void publish(const Shared&) override {}
  void publish(const Patch&) override {}
  void retire(Version) override {}
  void spend(const SpentTask&) override {}
  void emit(const FederationEvent&) override {}
  std::optional<EvaluationResult> evaluate(std::span<const float>, const std::string&,
                                           std::uint64_t) override {
    return {};
  }
  std::vector<ClientEvaluation> evaluate_clients(Version, const std::vector<TaskId>&) override { return {}; }

  const Strategy& strategy_;
  std::uint64_t initial_bytes_;
  Tick now_ = 0;
  RehearsedRound open_;
  std::set<ClientId> seen_;
  std::deque<LiveTask> tasks_;
  std::deque<Call> calls_;
  std::map<TaskId, Update> updates_;
  std::map<std::size_t, Payload> payloads_;  // by their size; floats are shared
  std::vector<Fold::Term> terms_;
  PhaseSum sum_;
};

}  // namespace

std::vector<RehearsedRound> rehearse(const ExperimentConfig& config, const Components& parts,
                                     std::span<const float> initial, std::uint64_t rounds) {
  CoordinatorConfig c = coordinator_config(config, parts, false, 1.0);
  c.windows = c.windows > 0 ? std::min(c.windows, rounds) : rounds;
  c.duration = 0;
  c.evaluate_every = c.evaluate_clients = 0;
  c.evaluate_interval = 0;
  c.target_accuracy = 0.0;
  c.stages = 0;
  c.stage_windows.clear();

  const OneTickDevices devices;
  const Population population{
      parts.data->clients(),
      [&parts](ClientId client) { return std::uint64_t{parts.data->example_count(client)}; },
      {},
      {},
      &devices};
  FederationState state;
  state.server.model = ParameterVector(parts.model->layout());
  std::ranges::copy(initial, state.server.model.values().begin());
  const std::uint64_t initial_bytes =
      c.initial_travels ? deployed_shared_size("initial", parts.model->layout()->size()) : 0;
  Rehearsal rehearsal(*parts.strategy, initial_bytes);
  Coordinator coordinator(c, *parts.strategy, *parts.pacer, *parts.sampler, population, rehearsal,
                          std::move(state));
  rehearsal.play(coordinator, parts.pacer->overlaps());
  return rehearsal.rounds;
}

}  // namespace fedloom
