// One round of an algorithm by hand, without coordinator, channel or trainer: the client half runs on the
// quadratic model, the server half sums and advances. Only the public interfaces of both halves are used, and
// both are made from YAML as a user writes it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "algorithms/algorithm.hpp"
#include "tests/support/quadratic.hpp"

namespace fedloom::testing {

inline Algorithm make_algorithm(const std::string& name, const std::string& settings = "{}") {
  const ConfigNode node = ConfigNode::from_text(settings, "test.yaml");
  return AlgorithmRegistry::instance().find(name, "strategy").make(node);
}

/// One client's data and what it keeps.
struct HandClient {
  std::vector<std::vector<float>> examples;  // of the quadratic model
  std::uint64_t count = 0;                   // examples it claims; 0: as many as it has
  TensorMap kept = {};
};

/// What a client's local work left behind.
struct HandResult {
  Update update;
  FloatBuffer parameters;
};

/// A federation whose every step is a call.
class ByHand {
 public:
  ByHand(const std::string& algorithm, const std::string& settings, FloatBuffer model,
         std::uint64_t population, std::size_t statistics = 0)
      : model_(model.size() - statistics, statistics), algorithm_(make_algorithm(algorithm, settings)) {
    state.model = ParameterVector(model_.layout());
    std::copy(model.begin(), model.end(), state.model.values().begin());
    algorithm_.strategy->start(state, {population, 1});
  }

  const Strategy& strategy() const { return *algorithm_.strategy; }
  const LocalObjective& objective() const { return *algorithm_.objective; }
  const QuadraticModel& model() const { return model_; }
  double parameter(std::size_t i = 0) const { return static_cast<double>(state.model.values()[i]); }
  double slot(const std::string& name, std::size_t i = 0) const {
    return static_cast<double>(state.slots.at(name).data.at(i));
  }
  Phase phase(const Recipe& recipe) const {
    const auto next = strategy().next_phase(state, {}, recipe);
    FEDLOOM_CHECK(next.has_value(), "a window without a phase");
    return *next;
  }

  /// Runs the client half of one task of `client`. `optimizer` may be another than plain descent.
  HandResult train(ClientId id, HandClient& client, const Recipe& recipe, Optimizer* optimizer = nullptr) {
    const Phase wanted = phase(recipe);
    const SliceSet exchanged = strategy().exchanged(*model_.layout());
    PlainDescent descent;
    QuadraticData data(model_.layout()->slices().front().size, client.examples);
    Task task;
    task.id = {id, ++tasks_[id]};
    task.recipe = wanted.recipe;
    strategy().prepare(state, task);
    const auto workspace = model_.workspace(std::max<std::size_t>(1, client.examples.size()));
    const FloatBuffer start(state.model.values().begin(), state.model.values().end());
    HandResult result;
    result.parameters = start;
    FloatBuffer gradient(start.size());
    TaskRun run;
    run.task = &task;
    run.model = &model_;
    run.exchanged = run.uploaded = &exchanged;
    run.data = &data;
    run.workspace = workspace.get();
    run.optimizer = optimizer != nullptr ? optimizer : &descent;
    run.recipe = task.recipe;
    run.seed = 1;
    run.start = start;
    run.parameters = result.parameters;
    run.gradient = gradient;
    for (const std::string& name : wanted.shared)
      run.shared[name] = Payload::from(name, state.slots.at(name));
    run.kept = client.kept;
    result.update.id = task.id;
    objective().begin(run);
    objective().work(task.kind, run);
    result.update.examples = client.count > 0 ? client.count : client.examples.size();
    result.update.steps = run.steps;
    objective().finish(run, result.update);
    client.kept = run.kept;
    return result;
  }

  /// An update that holds nothing but this delta.
  static HandResult delta(ClientId id, std::uint64_t examples, FloatBuffer values) {
    HandResult result;
    result.update.id = {id, 1};
    result.update.examples = examples;
    result.update.slots.push_back(Payload::from("delta", Tensor::vector(std::move(values))));
    return result;
  }

  /// Sums the updates as a phase of the strategy does, example-weighted, and makes the next model.
  std::map<std::string, double> advance(const std::vector<HandResult>& results, const Recipe& recipe = {}) {
    double total = 0.0;
    double largest = 1.0;
    std::vector<Contribution> contributions;
    for (const HandResult& result : results) {
      const auto weight = static_cast<double>(result.update.examples);
      total += weight;
      largest = std::max(largest, weight);
      contributions.push_back({&result.update, result.update.examples});
    }
    const Phase wanted = phase(recipe);
    PhaseSum sum = empty_sum(wanted, largest, std::max(total, largest), results.size());
    strategy().fold(contributions, sum);
    sum.accepted = results.size();
    for (auto& [name, slot] : sum.slots)
      slot.normaliser = slot.weighting == Weighting::uniform ? static_cast<double>(results.size()) : total;
    WindowSums window;
    window.window = 1;
    window.phases.emplace_back(wanted.kind, std::move(sum));
    FEDLOOM_CHECK(!strategy().next_phase(state, window, recipe), "the strategy wants more phases");
    ++state.version;
    return strategy().advance(state, window);
  }

  ServerState state;

 private:
  QuadraticModel model_;
  Algorithm algorithm_;
  std::map<ClientId, std::uint32_t> tasks_;
};

}  // namespace fedloom::testing
