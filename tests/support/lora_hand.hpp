// Rounds of a LoRA strategy by hand: the test says with which factors every client ends its task, and both
// real halves do the rest: plan, prepare, begin, finish, sum, advance, patch. Clients keep what clients keep
// and make their models of what they are sent, as client/local_trainer.cpp does; there is no training.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "algorithms/algorithm.hpp"
#include "algorithms/lora/factors.hpp"

namespace fedloom::testing {

/// Dense layers "fc0", "fc1" … of these (outputs, inputs), each with factors, and a head that is trained
/// beside.
struct LoraShape {
  std::vector<std::pair<std::int64_t, std::int64_t>> layers = {{2, 2}};
  std::int64_t rank = 1;
  double alpha = 1.0;
  std::int64_t head = 0;  // floats of the slice "head"; 0: none
};

/// The layout that a model of this shape has for a task of this rank that freezes these slices.
inline std::shared_ptr<const Layout> lora_layout(const LoraShape& shape, std::int64_t rank,
                                                 const std::vector<std::string>& frozen = {}) {
  Recipe recipe;
  recipe.frozen = frozen;
  Layout::Builder builder;
  const auto add = [&](const std::string& name, std::vector<std::int64_t> extents) {
    const bool stays = !trains(recipe, {.name = name, .shape = extents, .role = Role::trained});
    builder.add(name, std::move(extents), stays ? Role::frozen : Role::trained);
  };
  for (std::size_t i = 0; i < shape.layers.size(); ++i) {
    const auto [outputs, inputs] = shape.layers[i];
    const std::string name = "fc" + std::to_string(i);
    builder.add(name + ".weight", {outputs, inputs}, Role::frozen);
    add(name + ".lora_A.weight", {rank, inputs});
    add(name + ".lora_B.weight", {outputs, rank});
  }
  if (shape.head > 0) add("head", {shape.head});
  return builder.build();
}

/// A layout and a random start; it never computes anything.
class FactorModel : public Model {
 public:
  explicit FactorModel(std::shared_ptr<const Layout> layout) : layout_(std::move(layout)) {}
  const std::shared_ptr<const Layout>& layout() const override { return layout_; }
  std::size_t outputs() const override { return 1; }
  void initialize(std::span<float> parameters, Random& random) const override {
    for (const Slice& slice : layout_->slices())
      for (std::size_t i = 0; i < slice.size; ++i)
        parameters[slice.offset + i] = lora::part_of(slice.name) == lora::Part::second
                                           ? 0.0F
                                           : static_cast<float>(random.uniform(-0.5, 0.5));
  }
  std::unique_ptr<Workspace> workspace(std::size_t) const override { return nullptr; }
  std::span<const float> forward(std::span<const float>, const Batch&, Workspace&,
                                 const ForwardOptions&) const override {
    return {};
  }
  std::span<const float> features(const Workspace&) const override { return {}; }
  std::size_t feature_width() const override { return 0; }
  void backward(std::span<const float>, const Batch&, Workspace&, std::span<const float>, std::span<float>,
                const BackwardOptions&) const override {}
  double forward_flops() const override { return 0.0; }

 private:
  std::shared_ptr<const Layout> layout_;
};

class LoraHand {
 public:
  /// How a client's task ends. Factors that the task does not train are ignored.
  struct End {
    ClientId client = 0;
    std::uint64_t examples = 1;
    std::vector<lora::Factors> factors;  // one per layer
    FloatBuffer head = {};               // empty: as it was
  };
  /// A model as a client holds it.
  struct Held {
    std::shared_ptr<const Layout> layout;
    FloatBuffer values;
    double scale = 0.0;

    lora::Factors factors(std::size_t layer = 0) const {
      return lora::factors_of(values, lora::pairs_of(*layout).at(layer));
    }
    lora::Matrix base(std::size_t layer = 0) const {
      return lora::matrix_of(values, lora::pairs_of(*layout).at(layer).w);
    }
    lora::Matrix effective(std::size_t layer = 0) const {
      return base(layer) + scale * factors(layer).product();
    }
  };

  LoraHand(const std::string& algorithm, const std::string& settings, LoraShape shape)
      : shape_(std::move(shape)),
        algorithm_(AlgorithmRegistry::instance()
                       .find(algorithm, "strategy")
                       .make(ConfigNode::from_text(settings, "test.yaml"))) {
    state.model = ParameterVector(lora_layout(shape_, shape_.rank));
    strategy().start(state, {64, 1, shape_.alpha});
  }

  const Strategy& strategy() const { return *algorithm_.strategy; }
  const LocalObjective& objective() const { return *algorithm_.objective; }
  const Layout& layout() const { return state.model.layout(); }
  std::vector<lora::Pair> pairs() const { return lora::pairs_of(layout()); }
  /// The model before the first round, for server and clients.
  void begin_with(std::size_t layer, const lora::Matrix& base, const lora::Factors& factors) {
    const lora::Pair pair = pairs().at(layer);
    lora::write(base, state.model.values(), pair.w);
    lora::write(factors, state.model.values(), pair);
  }
  /// The server's own model.
  Held server() const {
    return {state.model.layout_ptr(),
            {state.model.values().begin(), state.model.values().end()},
            shape_.alpha / static_cast<double>(shape_.rank)};
  }

  /// The task that a client would be given next; its `held` is what the client makes of it.
  Task task_of(ClientId client) const {
    WindowSums window;
    window.window = window_ + 1;
    const auto phase = strategy().next_phase(state, window, {});
    FEDLOOM_CHECK(phase.has_value(), "a window without a phase");
    Task task;
    task.id = {client, static_cast<std::uint32_t>(window_ + 1)};
    task.window = window.window;
    task.recipe = phase->recipe;
    strategy().prepare(state, task);
    return task;
  }
  Held held_for(const Task& task) const {
    const std::int64_t rank = task.recipe.rank > 0 ? task.recipe.rank : shape_.rank;
    const double alpha = task.recipe.rank > 0 ? task.recipe.alpha : shape_.alpha;
    Held held{lora_layout(shape_, rank, task.recipe.frozen), {}, alpha / static_cast<double>(rank)};
    held.values = reshaped(initial(), *held.layout);
    FloatBuffer sent(strategy().exchanged(layout()).size());
    strategy().exchanged(layout()).gather(state.model.values(), sent);
    if (const Payload* own = task.extra("model")) sent.assign(own->values().begin(), own->values().end());
    const SliceSet exchanged = strategy().exchanged(*held.layout);
    FEDLOOM_CHECK(sent.size() == exchanged.size(), "{} floats sent for {}", sent.size(), exchanged.size());
    exchanged.scatter(sent, held.values);
    const auto kept = kept_.find(task.id.client);
    if (kept != kept_.end() && kept->second.contains(kPersonalSlot))
      strategy().personal(*held.layout).scatter(kept->second.at(kPersonalSlot).data, held.values);
    return held;
  }
  Held held_by(ClientId client) const { return held_for(task_of(client)); }

  /// One client's task from begin() to finish().
  Update run(const End& end) {
    const Task task = task_of(end.client);
    const Held held = held_for(task);
    const FactorModel model(held.layout);
    const SliceSet exchanged = strategy().exchanged(*held.layout);
    const SliceSet uploaded = strategy().uploaded(*held.layout, {});
    FloatBuffer parameters = held.values;
    TaskRun run;
    run.task = &task;
    run.model = &model;
    run.exchanged = &exchanged;
    run.uploaded = &uploaded;
    run.recipe = task.recipe;
    run.seed = 1;
    run.start = held.values;
    run.parameters = parameters;
    run.kept = kept_[end.client];
    objective().begin(run);
    const std::vector<lora::Pair> pairs = lora::pairs_of(*held.layout);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      if (pairs[i].a.role == Role::trained) lora::write(end.factors.at(i).a, parameters, pairs[i].a);
      if (pairs[i].b.role == Role::trained) lora::write(end.factors.at(i).b, parameters, pairs[i].b);
    }
    if (!end.head.empty())
      std::ranges::copy(end.head,
                        parameters.begin() + static_cast<std::ptrdiff_t>(held.layout->at("head").offset));
    Update update;
    update.id = task.id;
    update.examples = end.examples;
    objective().finish(run, update);
    if (const SliceSet personal = strategy().personal(*held.layout); personal.size() > 0)
      personal.gather(parameters, run.kept_slot(kPersonalSlot, personal.size()).data);
    kept_[end.client] = run.kept;
    WindowSums window;
    window.window = window_ + 1;
    const Phase phase = *strategy().next_phase(state, window, {});
    FEDLOOM_CHECK(update.slots.size() == 1 &&
                      update.slots[0].values().size() == strategy().slot_size(state, phase.slots.at(0), task),
                  "an update of another size than was announced");
    return update;
  }

  /// A round of these clients, weighed by their examples; returns what the strategy reports.
  std::map<std::string, double> round(const std::vector<End>& ends) {
    (void)initial();
    std::vector<Update> updates;
    updates.reserve(ends.size());
    for (const End& end : ends) updates.push_back(run(end));
    return advance(std::move(updates));
  }

  std::map<std::string, double> advance(std::vector<Update> updates) {
    WindowSums window;
    window.window = ++window_;
    const Phase phase = *strategy().next_phase(state, window, {});
    std::vector<Contribution> contributions;
    double total = 0.0;
    double largest = 1.0;
    for (const Update& update : updates) {
      contributions.push_back({&update, update.examples});
      total += static_cast<double>(update.examples);
      largest = std::max(largest, static_cast<double>(update.examples));
    }
    PhaseSum sum = empty_sum(phase, largest, std::max(total, largest), updates.size());
    strategy().fold(contributions, sum);
    sum.accepted = updates.size();
    for (auto& [name, slot] : sum.slots) slot.normaliser = std::max(1.0, total);
    for (const Update& update : updates) {
      for (const auto& [name, value] : update.scalars) sum.scalars[name] += value;
      sum.shares.push_back(static_cast<double>(update.examples) / std::max(1.0, total));
    }
    if (strategy().traits().keeps_updates) sum.updates = std::move(updates);
    window.phases.emplace_back(phase.kind, std::move(sum));
    const FloatBuffer before(state.model.values().begin(), state.model.values().end());
    std::map<std::string, double> metrics = strategy().advance(state, window);
    ++state.version;
    if (!strategy().traits().patches_model) return metrics;
    patch = strategy().patch(state);
    strategy().apply(patch, state.model);
    // A client goes the same step from what it has, to the same bits.
    ParameterVector client(state.model.layout_ptr());
    std::ranges::copy(before, client.values().begin());
    strategy().apply(patch, client);
    const SliceSet exchanged = strategy().exchanged(layout());
    FloatBuffer ours(exchanged.size());
    FloatBuffer theirs(exchanged.size());
    exchanged.gather(state.model.values(), ours);
    exchanged.gather(client.values(), theirs);
    FEDLOOM_CHECK(ours == theirs, "the patch leads a client elsewhere");
    return metrics;
  }

  /// The floats of a part of the latest patch.
  std::size_t patch_floats() const {
    std::size_t floats = 0;
    for (const Payload& part : patch) floats += part.values().size();
    return floats;
  }

  ServerState state;
  PatchParts patch;  // of the latest round

 private:
  // The model that everybody has before the first round.
  const ParameterVector& initial() const {
    if (!initial_) initial_ = state.model;
    return *initial_;
  }
  static FloatBuffer reshaped(const ParameterVector& from, const Layout& to) {
    FloatBuffer out(to.size(), 0.0F);
    for (const Slice& slice : to.slices()) {
      const Slice& whole = from.layout().at(slice.name);
      const auto width = static_cast<std::size_t>(slice.shape.size() > 1 ? slice.shape[1] : 1);
      const auto stride = static_cast<std::size_t>(whole.shape.size() > 1 ? whole.shape[1] : 1);
      for (std::size_t i = 0; i < slice.size; ++i)
        out[slice.offset + i] = from.view(whole)[i / width * stride + i % width];
    }
    return out;
  }

  LoraShape shape_;
  Algorithm algorithm_;
  WindowId window_ = 0;
  std::map<ClientId, TensorMap> kept_;
  mutable std::optional<ParameterVector> initial_;
};

/// A matrix of these rows.
inline lora::Matrix matrix(std::initializer_list<std::initializer_list<double>> rows) {
  lora::Matrix out(static_cast<Eigen::Index>(rows.size()), static_cast<Eigen::Index>(rows.begin()->size()));
  Eigen::Index r = 0;
  for (const auto& row : rows) {
    Eigen::Index c = 0;
    for (const double value : row) out(r, c++) = value;
    ++r;
  }
  return out;
}

/// Entries normal(0, 1) times `deviation`, rounded to float as models hold them.
inline lora::Matrix random_matrix(Random& random, Eigen::Index rows, Eigen::Index columns,
                                  double deviation = 1.0) {
  lora::Matrix out(rows, columns);
  for (Eigen::Index i = 0; i < out.size(); ++i)
    out.data()[i] = static_cast<double>(static_cast<float>(random.normal(0.0, deviation)));
  return out;
}

/// Largest difference of two matrices; infinite when their shapes differ.
inline double distance(const lora::Matrix& a, const lora::Matrix& b) {
  if (a.rows() != b.rows() || a.cols() != b.cols()) return std::numeric_limits<double>::infinity();
  return a.size() == 0 ? 0.0 : (a - b).cwiseAbs().maxCoeff();
}

}  // namespace fedloom::testing
