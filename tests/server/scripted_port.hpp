// A FederationPort without a world: it writes down what the coordinator asks, sums what was accepted, and is
// otherwise driven by the test. Federation runs a whole coordinator on it.
#pragma once

#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "algorithms/algorithm.hpp"
#include "server/coordinator.hpp"

namespace fedloom::testing {

class ScriptedPort : public FederationPort {
 public:
  explicit ScriptedPort(const Strategy& strategy) : strategy_(&strategy) {}

  struct End {
    TaskId task;
    Verdict verdict;
    Reason reason;
  };
  std::vector<Shared> published;
  std::vector<Patch> patches;
  std::vector<Task> started;
  std::vector<End> ends;
  std::vector<FederationEvent> events;
  std::vector<FederationState> boundaries;
  std::vector<std::vector<TaskId>> superseded;
  std::vector<std::pair<WindowId, Tick>> looks;
  std::set<std::tuple<Tick, Moment, WindowId>> calls;  // asked for and not made yet
  std::vector<Version> retired;
  std::vector<LiveTask> given;  // as started, with what they cost
  std::vector<SpentTask> spent;
  std::vector<PhaseSum> opened;
  std::map<std::size_t, std::vector<Fold::Term>> sums;  // by closed windows before
  std::vector<std::pair<Version, std::vector<TaskId>>> client_evaluations;
  std::map<TaskId, Update> updates;  // what the test reported
  std::function<std::optional<EvaluationResult>(std::span<const float>, const std::string&)> quality =
      [](std::span<const float>, const std::string&) { return std::nullopt; };
  /// Rearranges the terms of a sum before they are added.
  std::function<void(std::vector<Fold::Term>&)> rearrange = [](std::vector<Fold::Term>&) {};

  void publish(const Shared& shared) override { published.push_back(shared); }
  void publish(const Patch& patch) override { patches.push_back(patch); }
  void retire(Version version) override { retired.push_back(version); }
  void spend(const SpentTask& task) override { spent.push_back(task); }
  void start(const LiveTask& live) override {
    started.push_back(live.task);
    given.push_back(live);
  }
  void open_sum(PhaseSum sum) override {
    opened.push_back(sum);
    sum_ = std::move(sum);
    terms_.clear();
  }
  void accept(const Fold::Term& term) override { terms_.push_back(term); }
  /// Terms of the sum of the n-th closed window; none where nothing came.
  std::vector<Fold::Term> terms_of(std::size_t window) const {
    const auto it = sums.find(window);
    return it == sums.end() ? std::vector<Fold::Term>() : it->second;
  }
  PhaseSum close_sum() override {
    sums[all<WindowClosed>().size()] = terms_;
    rearrange(terms_);
    for (const Fold::Term& term : terms_) {
      const Contribution contribution{&updates.at(term.id), term.weight};
      strategy_->fold({&contribution, 1}, sum_);
      if (strategy_->traits().keeps_updates) sum_.updates.push_back(updates.at(term.id));
    }
    std::sort(sum_.updates.begin(), sum_.updates.end(),
              [](const Update& a, const Update& b) { return a.id < b.id; });
    return std::move(sum_);
  }
  void end(TaskId task, Verdict verdict, Reason reason) override { ends.push_back({task, verdict, reason}); }
  void call(Moment what, Tick when, WindowId window) override {
    if (what == Moment::look) looks.emplace_back(window, when);
    calls.emplace(when, what, window);
  }
  std::optional<EvaluationResult> evaluate(std::span<const float> model, const std::string& split,
                                           std::uint64_t) override {
    return quality(model, split);
  }
  std::vector<ClientEvaluation> evaluate_clients(Version version,
                                                 const std::vector<TaskId>& clients) override {
    client_evaluations.emplace_back(version, clients);
    std::vector<ClientEvaluation> results;
    for (const TaskId& client : clients) results.push_back({client.client, 10, client.client % 11, 5.0});
    return results;
  }
  void emit(const FederationEvent& event) override { events.push_back(event); }
  void boundary(FederationState& state, const std::vector<TaskId>& old) override {
    boundaries.push_back(state);
    superseded.push_back(old);
  }

  template <class Event>
  std::vector<Event> all() const {
    std::vector<Event> found;
    for (const FederationEvent& event : events)
      if (const auto* one = std::get_if<Event>(&event)) found.push_back(*one);
    return found;
  }

 private:
  const Strategy* strategy_;
  PhaseSum sum_;
  std::vector<Fold::Term> terms_;
};

/// An update of a task with these slots, reported truthfully.
inline Update make_update(TaskId id, std::uint64_t examples,
                          const std::map<std::string, FloatBuffer>& slots) {
  Update update;
  update.id = id;
  update.examples = examples;
  update.steps = 1;
  update.loss_sum = 0.5 * static_cast<double>(examples);
  update.loss_count = examples;
  for (const auto& [name, values] : slots) {
    const ValueCheck check = check_values(values);
    update.reports.push_back({name, values.size(), check.finite, check.largest});
    update.slots.push_back(Payload::from(name, Tensor::vector(values)));
  }
  return update;
}

inline std::unique_ptr<Pacer> make_pacer(const std::string& settings, double ticks_per_second = 1.0,
                                         const std::string& name = "sync") {
  return PacerRegistry::instance()
      .find(name, "pacer")
      .make(ConfigNode::from_text(settings, "test.yaml"), TimeScale{ticks_per_second});
}

inline Algorithm make_algorithm_of(const std::string& name, const std::string& settings = "{}") {
  return AlgorithmRegistry::instance()
      .find(name, "strategy")
      .make(ConfigNode::from_text(settings, "test.yaml"));
}

/// What a federation of the tests is made of; change it, then begin.
struct FederationSetup {
  std::string pacer = "clients_per_round: 3";
  std::string pacer_name = "sync";
  std::string sampler = "uniform";
  std::uint64_t clients = 10;
  std::size_t parameters = 2;
  CoordinatorConfig config;
  std::function<std::uint64_t(ClientId)> examples = [](ClientId client) { return 10 + client; };
  std::function<bool(ClientId)> available;
  const Devices* devices = nullptr;
  bool deployed = false;
};

class Federation {
 public:
  Federation(const Strategy& strategy, const FederationSetup& setup,
             std::optional<FederationState> state = {})
      : port(strategy),
        pacer_(make_pacer(setup.pacer, 1.0, setup.pacer_name)),
        sampler_(SamplerRegistry::instance().find(setup.sampler, "sampler").make(ConfigNode())),
        population_{setup.clients, setup.examples, {}, {}, setup.devices} {
    population_.deployed = setup.deployed;
    if (setup.available)
      population_.available = [available = setup.available](ClientId client, Tick) {
        return available(client);
      };
    if (!state) {
      Layout::Builder builder;
      builder.add("w", {static_cast<std::int64_t>(setup.parameters)});
      state.emplace();
      state->server.model = ParameterVector(builder.build());
    }
    coordinator = std::make_unique<Coordinator>(setup.config, strategy, *pacer_, *sampler_, population_, port,
                                                std::move(*state));
  }

  /// Clients of the tasks started so far in the open window, in order.
  std::vector<ClientId> open_clients() const {
    std::vector<ClientId> clients;
    for (const Task& task : port.started)
      if (task.window == coordinator->open_window()) clients.push_back(task.id.client);
    return clients;
  }
  /// The latest task of a client.
  TaskId task_of(ClientId client) const {
    TaskId id;
    for (const Task& task : port.started)
      if (task.id.client == client) id = task.id;
    FEDLOOM_CHECK(id.number > 0, "client {} was never started", client);
    return id;
  }
  void report(Tick now, const Update& update) {
    port.updates.emplace(update.id, update);
    coordinator->on_finished(now, update);
  }
  /// The client's latest task ends with this delta on every parameter.
  void finish(Tick now, ClientId client, float delta, std::uint64_t examples = 10) {
    const std::size_t size = coordinator->state().server.model.values().size();
    report(now, make_update(task_of(client), examples, {{"delta", FloatBuffer(size, delta)}}));
  }
  double parameter(std::size_t i = 0) const {
    return static_cast<double>(coordinator->state().server.model.values()[i]);
  }

  ScriptedPort port;
  std::unique_ptr<Coordinator> coordinator;

 private:
  std::unique_ptr<Pacer> pacer_;
  std::unique_ptr<Sampler> sampler_;
  Population population_;
};

}  // namespace fedloom::testing
