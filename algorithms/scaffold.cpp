// SCAFFOLD. S. P. Karimireddy, S. Kale, M. Mohri, S. J. Reddi, S. U. Stich, A. T. Suresh, "SCAFFOLD:
// Stochastic Controlled Averaging for Federated Learning", ICML 2020. Options I and II.
//
//   x    server model            c    server control variate   (both d floats; c starts at 0)
//   y    local model             c_i  control variate of client i, kept between its tasks (starts at 0)
//   step      y <- y - lr (g_i(y) - c_i + c)
//   option 1  c_i+ = gradient of the client's full loss at x
//   option 2  c_i+ = c_i - c + (x - y) / (K lr),  K = steps taken
//   sends     dy = y - x and dc = c_i+ - c_i
//   server    x <- x + server_lr * mean dy,   c <- c + (1/N) sum dc,  N = all clients
//
// Both means are uniform, as in the paper: the objective is the mean of client losses, whatever the number of
// their examples. Weighing dy alone would move the fixed point to neither objective. Option 2 equals a
// gradient average only for plain SGD, so momentum is refused.
#include <cmath>

#include "algorithms/algorithm.hpp"

namespace fedloom {
namespace {

struct ScaffoldConfig {
  std::int64_t option = 2;
  double server_lr = 1.0;
  template <class Visitor>
  void visit(Visitor& v) {
    v("option", option, "how a client renews its control variate: 1 full gradient, 2 from the drift",
      between(1, 2));
    v("server_lr", server_lr, "step along the mean update", above(0));
  }
};

class Scaffold : public Strategy {
 public:
  explicit Scaffold(const ScaffoldConfig& config) : config_(config) {}

  Traits traits() const override {
    return {.keeps_client_state = true, .needs_plain_sgd = true, .sums_beside_delta = true};
  }

  void start(ServerState& state, const PopulationInfo& population) const override {
    const std::size_t size = exchanged(state.model.layout()).size();
    state.slots["control"] = Tensor::zeros({static_cast<std::int64_t>(size)});
    state.scalars["clients"] = static_cast<double>(population.clients);
  }

  std::optional<Phase> next_phase(const ServerState& state, const WindowSums& window,
                                  const Recipe& base) const override {
    if (!window.phases.empty()) return std::nullopt;
    const std::size_t size = exchanged(state.model.layout()).size();
    Phase phase = train_phase(base, size);
    phase.slots[0].weighting = Weighting::uniform;
    phase.slots.push_back({.name = "control_delta", .size = size, .weighting = Weighting::uniform});
    phase.shared = {"control"};
    return phase;
  }

  std::map<std::string, double> advance(ServerState& state, const WindowSums& window) const override {
    const PhaseSum& train = window.phase("train");
    apply_mean_delta(state, exchanged(state.model.layout()), train.slot("delta"), config_.server_lr);
    const SlotSum& change = train.slot("control_delta");
    const double clients = state.scalars.at("clients");
    FloatBuffer& control = state.slots.at("control").data;
    double square_norm = 0.0;
    for (std::size_t i = 0; i < control.size(); ++i) {
      control[i] = static_cast<float>(static_cast<double>(control[i]) + change.total(i) / clients);
      square_norm += static_cast<double>(control[i]) * static_cast<double>(control[i]);
    }
    return {{"control_norm", std::sqrt(square_norm)}};
  }

 private:
  ScaffoldConfig config_;
};

class ControlledObjective : public LocalObjective {
 public:
  explicit ControlledObjective(const ScaffoldConfig& config) : option_(config.option) {}

  // Option II works on where private steps have ended.
  std::string privacy_gap(PrivacyUnit unit) const override {
    if (unit == PrivacyUnit::client) return "it returns the change of its control variate beside the update";
    return option_ == 1
               ? "option 1 takes a gradient over all examples that is neither clipped nor noisy; use "
                 "strategy.option: 2"
               : "";
  }

  void begin(TaskRun& run) const override {
    if (!run.optimizer->is_plain_sgd())
      throw user_error("strategy scaffold needs plain SGD on clients: set momentum and weight_decay to 0");
    if (run.recipe.clip_norm > 0.0 || !run.recipe.schedule.is_constant())
      throw user_error(
          "strategy scaffold needs plain SGD on clients: no clip_norm, no schedule within a task");
    control_of(run);  // is here, before any work is done
    run.kept_slot("control", run.exchanged->size());
    if (option_ == 1) run.scratch["full_gradient"] = full_gradient(run);
  }

  void correct(TaskRun& run, std::span<float> gradient) const override {
    const std::span<const float> c = control_of(run);
    const FloatBuffer& c_i = run.kept.at("control").data;
    std::size_t packed = 0;
    for (const SliceSet::Run& slice : run.exchanged->runs()) {
      if (slice.role == Role::trained)
        for (std::size_t i = 0; i < slice.size; ++i)
          gradient[slice.offset + i] += c[packed + i] - c_i[packed + i];
      packed += slice.size;
    }
  }

  void finish(TaskRun& run, Update& update) const override {
    update.slots.push_back(delta_payload(run));
    Tensor& kept = run.kept.at("control");
    Tensor renewed = option_ == 1 ? run.scratch.at("full_gradient") : from_drift(run, kept);
    Tensor change = renewed;
    for (std::size_t i = 0; i < change.data.size(); ++i) change.data[i] -= kept.data[i];
    kept = std::move(renewed);
    update.slots.push_back(Payload::from("control_delta", std::move(change)));
  }

 private:
  static std::span<const float> control_of(const TaskRun& run) {
    return run.shared_values("control", run.exchanged->size());
  }

  // c_i - c + (x - y) / (K lr), zero on statistics; unchanged when no step was taken.
  static Tensor from_drift(const TaskRun& run, const Tensor& kept) {
    if (run.steps == 0) return kept;
    Tensor renewed = kept;
    const std::span<const float> c = control_of(run);
    const double scale = 1.0 / (static_cast<double>(run.steps) * run.recipe.learning_rate);
    std::size_t packed = 0;
    for (const SliceSet::Run& slice : run.exchanged->runs()) {
      if (slice.role == Role::trained)
        for (std::size_t i = 0; i < slice.size; ++i) {
          const double drift = static_cast<double>(run.start[slice.offset + i]) -
                               static_cast<double>(run.parameters[slice.offset + i]);
          renewed.data[packed + i] += static_cast<float>(drift * scale) - c[packed + i];
        }
      packed += slice.size;
    }
    return renewed;
  }

  // Mean gradient over all local examples at the start model, exchanged slices only.
  Tensor full_gradient(TaskRun& run) const {
    Tensor mean = Tensor::zeros({static_cast<std::int64_t>(run.exchanged->size())});
    if (run.data->size() == 0) return mean;
    std::vector<double> sum(run.exchanged->size(), 0.0);
    const auto batch_size = static_cast<std::size_t>(run.recipe.examples_at_once());
    std::vector<std::uint32_t> positions;
    FloatBuffer logit_gradient(std::min(batch_size, run.data->size()) * run.model->outputs());
    FloatBuffer packed(run.exchanged->size());
    for (std::size_t begin = 0; begin < run.data->size(); begin += batch_size) {
      positions.clear();
      for (std::size_t i = begin; i < std::min(begin + batch_size, run.data->size()); ++i)
        positions.push_back(static_cast<std::uint32_t>(i));
      const Batch batch = run.data->batch(positions);
      const std::span<const float> logits = run.model->forward(run.start, batch, *run.workspace, {});
      const std::span<float> dlogits(logit_gradient.data(), logits.size());
      loss(run, logits, run.model->features(*run.workspace), batch, dlogits);
      run.model->backward(run.start, batch, *run.workspace, dlogits, run.gradient, {});
      run.exchanged->gather(run.gradient, packed);
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<double>(packed[i]);
    }
    for (std::size_t i = 0; i < sum.size(); ++i)
      mean.data[i] = static_cast<float>(sum[i] / static_cast<double>(run.data->size()));
    return mean;
  }

  std::int64_t option_;
};

const RegisterAlgorithm<ScaffoldConfig, Scaffold, ControlledObjective> kScaffold{
    {"scaffold", "control variates that cancel client drift",
     "Karimireddy, Kale, Mohri, Reddi, Stich, Suresh: SCAFFOLD: Stochastic Controlled Averaging for "
     "Federated "
     "Learning, ICML 2020"}};

}  // namespace
}  // namespace fedloom
