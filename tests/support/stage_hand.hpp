// Windows of a strategy that learns stage by stage, by hand: real model, real halves, no coordinator or
// channel. Phases run as the coordinator runs them, those on the new model included.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "algorithms/algorithm.hpp"
#include "core/random.hpp"
#include "models/model.hpp"

namespace fedloom::testing {

/// A client's examples as rows.
struct Rows {
  std::size_t width = 0;
  FloatBuffer values;  // (n, width)
  std::vector<std::int32_t> labels;

  std::size_t size() const { return labels.size(); }
};

/// `n` examples whose features are `scale` times random combinations of `rank` random directions, which
/// `stage` chooses; labels are random.
inline Rows low_rank_rows(std::size_t n, std::size_t width, std::size_t rank, std::uint64_t stage,
                          std::uint64_t client, std::int32_t classes, double scale = 1.0) {
  Random directions(stage, Stream::dataset, 1000);
  std::vector<double> base(rank * width);
  for (double& value : base) value = directions.normal();
  Random random(stage, Stream::dataset, client);
  Rows rows{width, FloatBuffer(n * width, 0.0F), {}};
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t r = 0; r < rank; ++r) {
      const double weight = scale * random.normal();
      for (std::size_t j = 0; j < width; ++j)
        rows.values[i * width + j] += static_cast<float>(weight * base[r * width + j]);
    }
    rows.labels.push_back(static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(classes))));
  }
  return rows;
}

class RowData final : public LocalData {
 public:
  explicit RowData(const Rows& rows) : rows_(rows) {}
  std::size_t size() const override { return rows_.size(); }
  Batch batch(std::span<const std::uint32_t> positions) override {
    features_.clear();
    labels_.clear();
    for (const std::uint32_t i : positions) {
      const auto row = rows_.values.begin() + static_cast<std::ptrdiff_t>(i * rows_.width);
      features_.insert(features_.end(), row, row + static_cast<std::ptrdiff_t>(rows_.width));
      labels_.push_back(rows_.labels[i]);
    }
    Batch batch;
    batch.size = positions.size();
    batch.features = features_.data();
    batch.targets = labels_.data();
    return batch;
  }

 private:
  const Rows& rows_;
  FloatBuffer features_;
  std::vector<std::int32_t> labels_;
};

class StageHand {
 public:
  StageHand(const std::string& strategy, const std::string& settings, std::shared_ptr<const Model> model,
            bool task_heads = false)
      : model_(std::move(model)),
        task_heads_(task_heads),
        algorithm_(AlgorithmRegistry::instance()
                       .find(strategy, "strategy")
                       .make(ConfigNode::from_text(settings, "test.yaml"))) {
    state.model = ParameterVector(model_->layout());
    Random random(7, Stream::init);
    model_->initialize(state.model.values(), random);
    PopulationInfo population;
    population.clients = 8;
    population.seed = 1;
    population.stages = 100;
    population.task_heads = task_heads;
    algorithm_.strategy->start(state, population);
  }

  const Model& model() const { return *model_; }

  /// One window of stage `number` in which all `clients` take part; returns what the strategy reported.
  std::map<std::string, double> window(const std::vector<Rows>& clients, std::uint64_t number, bool last) {
    const Strategy& strategy = *algorithm_.strategy;
    std::map<std::string, double> metrics;
    WindowSums sums;
    sums.window = ++window_;
    sums.stage = {number, 100, false, last};
    Recipe recipe;
    recipe.batch_size = 8;
    recipe.learning_rate = 0.05;
    recipe.stage = number;
    updates.clear();
    while (const auto phase = strategy.next_phase(state, sums, recipe)) {
      if (phase->on_new_model) {
        for (const auto& [name, value] : strategy.advance(state, sums)) metrics[name] = value;
        sums.phases.clear();
      }
      sums.phases.emplace_back(phase->kind, run_phase(*phase, clients));
    }
    for (const auto& [name, value] : strategy.advance(state, sums)) metrics[name] = value;
    return metrics;
  }

  /// Outputs for every row, in evaluation mode.
  FloatBuffer outputs(const Rows& rows) const {
    RowData data(rows);
    std::vector<std::uint32_t> all(rows.size());
    for (std::uint32_t i = 0; i < all.size(); ++i) all[i] = i;
    Batch batch = data.batch(all);
    batch.targets = nullptr;
    const auto workspace = model_->workspace(all.size());
    const auto logits = model_->forward(state.model.values(), batch, *workspace, {});
    return {logits.begin(), logits.end()};
  }

  /// A window of which nothing comes in: the strategy does not hear of it.
  void skip_window() { ++window_; }

  ServerState state;
  std::vector<std::pair<std::string, Update>> updates;  // of the latest window, with the kind of their phase

 private:
  PhaseSum run_phase(const Phase& phase, const std::vector<Rows>& clients) {
    std::vector<Update> results;
    for (std::size_t id = 0; id < clients.size(); ++id) results.push_back(run_client(phase, clients[id], id));
    double total = 0.0;
    double largest = 1.0;
    std::vector<Contribution> contributions;
    for (const Update& update : results) {
      const auto weight = static_cast<double>(update.examples);
      total += weight;
      largest = std::max(largest, weight);
      contributions.push_back({&update, update.examples});
    }
    PhaseSum sum = empty_sum(phase, largest, total, results.size());
    algorithm_.strategy->fold(contributions, sum);
    sum.accepted = results.size();
    for (auto& [name, slot] : sum.slots)
      slot.normaliser = slot.weighting == Weighting::uniform ? static_cast<double>(results.size()) : total;
    for (const Update& update : results) {
      for (const auto& [name, value] : update.scalars) sum.scalars[name] += value;
      updates.emplace_back(phase.kind, update);
    }
    return sum;
  }

  Update run_client(const Phase& phase, const Rows& rows, std::uint64_t id) {
    const SliceSet exchanged = algorithm_.strategy->exchanged(*model_->layout());
    RowData data(rows);
    Task task;
    task.id = {id, static_cast<std::uint32_t>(++tasks_)};
    task.window = window_;
    task.kind = phase.kind;
    task.recipe = phase.recipe;
    const auto workspace = model_->workspace(8);
    const FloatBuffer start(state.model.values().begin(), state.model.values().end());
    FloatBuffer parameters = start;
    FloatBuffer gradient(start.size());
    const auto optimizer = OptimizerRegistry::instance().find("sgd", "optimizer").make(ConfigNode());
    optimizer->reset(*model_->layout());
    TaskRun run;
    run.task = &task;
    run.model = model_.get();
    run.exchanged = run.uploaded = &exchanged;
    run.data = &data;
    run.workspace = workspace.get();
    run.optimizer = optimizer.get();
    run.recipe = task.recipe;
    run.seed = 1;
    run.task_heads = task_heads_;
    run.start = start;
    run.parameters = parameters;
    run.gradient = gradient;
    run.kept = kept_[id];
    for (const std::string& name : phase.shared) run.shared[name] = Payload::from(name, state.slots.at(name));
    Update update;
    update.id = task.id;
    update.examples = rows.size();
    algorithm_.objective->begin(run);
    algorithm_.objective->work(task.kind, run);
    algorithm_.objective->finish(run, update);
    update.loss_sum = run.loss_sum;
    kept_[id] = run.kept;
    return update;
  }

  std::shared_ptr<const Model> model_;
  bool task_heads_;
  Algorithm algorithm_;
  WindowId window_ = 0;
  std::uint64_t tasks_ = 0;
  std::map<std::uint64_t, TensorMap> kept_;
};

inline std::shared_ptr<const Model> written_model(const std::string& layers, const DataSpec& spec) {
  return ModelRegistry::instance()
      .find("sequential", "model")
      .make(ConfigNode::from_text("layers: " + layers, "test.yaml"), ModelContext(spec));
}

}  // namespace fedloom::testing
