// FOT. Y. F. Bakman, D. N. Yaldiz, Y. H. Ezzeldin, S. Avestimehr, "Federated Orthogonal Training: Mitigating
// Global Catastrophic Forgetting in Continual Federated Learning", ICLR 2024.
//
//   clients   ordinary SGD, whatever the stage
//   server    every round, for each protected layer with basis U (d, k) of the inputs of earlier stages:
//               G = mean over clients of W_k - W;   W <- W + server_lr (G - G U U^T)     so W x is as it was
//               for x in U
//   at a stage's end   clients sketch the layers' inputs (continual/sketch.hpp); of the summed sketch with
//   energies S^2
//               r = (|A'| / |A|)^ratio_power,   eps' = (r - (1 - eps)) / r
//               the smallest k with (S_1^2 + … + S_k^2) / sum S^2 > eps' directions join U
//
// `ratio_power: 2` takes r for the share of the inputs' energy outside of U, of all clients together: then U
// and the new directions hold the share eps of it, which is GPM's criterion. `compat: repo` is the authors'
// code: r is a ratio of norms, averaged over clients; at least one direction joins in each stage; and clients
// sketch with their own model at the end of the stage's last round instead of with the new global one, in a
// phase of its own. Deviations: sketches are made in evaluation mode, without dropout; a basis never exceeds
// its layer's width.
#include <cmath>

#include "algorithms/algorithm.hpp"
#include "algorithms/continual/basis.hpp"
#include "algorithms/continual/sketch.hpp"

namespace fedloom {
namespace {

struct FotConfig {
  double eps = 0.95;
  double eps_increment = 0.0;
  std::string compat = "none";
  std::optional<std::int64_t> ratio_power;
  std::optional<std::uint64_t> least_vectors;
  std::optional<std::string> sketch_model;
  std::string weights = "uniform";
  double server_lr = 1.0;
  subspace::SketchSettings sketch;

  template <class Visitor>
  void visit(Visitor& v) {
    v("eps", eps, "share of the energy of a layer's inputs that is protected", between(0, 1));
    v("eps_increment", eps_increment, "added to eps after every stage", between(0, 1));
    v("compat", compat,
      "repo: as the authors' code, where the three settings that follow do not say otherwise",
      one_of({"none", "repo"}));
    v("ratio_power", ratio_power,
      "2: the threshold counts energies; 1: norms. Left out: 2, with compat repo 1", between(1, 2));
    v("least_vectors", least_vectors,
      "directions that join a layer's basis at least at the end of a stage. Left out: 0, with compat repo 1");
    v("sketch_model", sketch_model,
      "the model that inputs are sketched with: global, the new one, in a phase of its own; local, each "
      "client's, "
      "with its last update. Left out: global, with compat repo local",
      one_of({"global", "local"}));
    v("weights", weights, "of clients' updates: uniform, as in the paper, or by examples",
      one_of({"uniform", "examples"}));
    v("server_lr", server_lr, "step along the projected mean update; 1 is the paper", above(0));
    v("sketch", sketch, "sketches of layer inputs");
  }

  bool repo() const { return compat == "repo"; }
  double power() const { return static_cast<double>(ratio_power.value_or(repo() ? 1 : 2)); }
  std::size_t least() const { return least_vectors.value_or(repo() ? 1 : 0); }
  bool sketches_locally() const { return sketch_model.value_or(repo() ? "local" : "global") == "local"; }
};

constexpr const char* kTrainAndSketch = "train_and_sketch";
constexpr const char* kSketch = "sketch";

class Fot : public Strategy {
 public:
  explicit Fot(const FotConfig& config) : config_(config) {}

  Traits traits() const override {
    return {.several_phases = !config_.sketches_locally(),
            .sums_beside_delta = true,
            .needs_rounds = true,
            .learns_stages = true};
  }

  void start(ServerState& state, const PopulationInfo& population) const override {
    state.scalars["task_heads"] = population.task_heads ? 1.0 : 0.0;
    if (population.stages > 0) subspace::check_layers(layers_of(state), config_.sketch.layers, "fot");
  }

  std::optional<Phase> next_phase(const ServerState& state, const WindowSums& window,
                                  const Recipe& base) const override {
    const bool ends_stage = window.stage.last_window;
    if (window.phases.empty()) {
      Phase phase = train_phase(base, exchanged(state.model.layout()).size());
      if (config_.weights == "uniform") phase.slots[0].weighting = Weighting::uniform;
      if (ends_stage && config_.sketches_locally()) add_sketching(phase, state, kTrainAndSketch);
      return phase;
    }
    if (!ends_stage || config_.sketches_locally() || window.has(kSketch)) return std::nullopt;
    Phase phase;
    phase.recipe = base;
    phase.cohort = Phase::Cohort::same;
    phase.on_new_model = true;
    add_sketching(phase, state, kSketch);
    return phase;
  }

  std::map<std::string, double> advance(ServerState& state, const WindowSums& window) const override {
    std::map<std::string, double> metrics;
    const std::vector<subspace::ProtectedLayer> layers = layers_of(state);
    for (const auto& [kind, sum] : window.phases) {
      if (sum.accepted == 0) continue;
      if (sum.slots.contains("delta")) step(state, layers, sum.slot("delta"));
      if (kind == kSketch || kind == kTrainAndSketch) learn(state, layers, sum, window.stage.number, metrics);
    }
    return metrics;
  }

 private:
  std::vector<subspace::ProtectedLayer> layers_of(const ServerState& state) const {
    return subspace::protected_layers(state.model.layout(), config_.sketch.layers,
                                      state.scalars.at("task_heads") > 0.0);
  }

  void add_sketching(Phase& phase, const ServerState& state, const char* kind) const {
    const std::vector<subspace::ProtectedLayer> layers = layers_of(state);
    phase.kind = kind;
    for (SlotSpec& slot : subspace::sketch_slots(layers, config_.sketch))
      phase.slots.push_back(std::move(slot));
    phase.shared = subspace::basis_slots(state, layers);
  }

  void step(ServerState& state, const std::vector<subspace::ProtectedLayer>& layers,
            const SlotSum& delta) const {
    const Layout& layout = state.model.layout();
    ParameterVector before = state.model;
    apply_mean_delta(state, exchanged(layout), delta, config_.server_lr);
    for (const subspace::ProtectedLayer& layer : layers) {
      const auto basis = state.slots.find(layer.slot("basis"));
      if (basis == state.slots.end()) continue;
      const std::span<float> weight = state.model.view(layer.weight);
      const std::span<const float> old = before.view(layer.weight);
      FloatBuffer change(weight.size());
      for (std::size_t i = 0; i < change.size(); ++i) change[i] = weight[i] - old[i];
      subspace::remove_span(change, basis->second.data, layer.inputs);
      for (std::size_t i = 0; i < change.size(); ++i) weight[i] = old[i] + change[i];
    }
  }

  void learn(ServerState& state, const std::vector<subspace::ProtectedLayer>& layers, const PhaseSum& sum,
             std::uint64_t stage, std::map<std::string, double>& metrics) const {
    const double eps =
        std::min(1.0, config_.eps +
                          config_.eps_increment * static_cast<double>(std::max<std::uint64_t>(stage, 1) - 1));
    for (const subspace::ProtectedLayer& layer : layers) {
      const subspace::LayerSpectrum spectrum = subspace::spectrum_of(sum, layer);
      const double ratio = config_.power() == 1.0  ? spectrum.mean_ratio
                           : spectrum.energy > 0.0 ? spectrum.rest / spectrum.energy
                                                   : 0.0;
      const double share = ratio > 0.0 ? (ratio - (1.0 - eps)) / ratio : -1.0;
      const std::size_t count = subspace::count_above(spectrum.energies, share, config_.least());
      metrics[layer.slot("vectors")] =
          static_cast<double>(subspace::grow_basis(state, layer, spectrum, count));
      metrics[layer.slot("ratio")] = ratio;
    }
  }

  FotConfig config_;
};

class SketchingObjective : public LocalObjective {
 public:
  explicit SketchingObjective(const FotConfig& config) : settings_(config.sketch) {}

  bool corrects() const override { return false; }
  std::string privacy_gap(PrivacyUnit) const override { return "it returns sketches of layer inputs"; }

  void work(std::string_view kind, TaskRun& run) const override {
    if (kind != kSketch) train_locally(*this, run);
  }

  void finish(TaskRun& run, Update& update) const override {
    const std::string& kind = run.task->kind;
    if (kind != kSketch) update.slots.push_back(delta_payload(run));
    if (kind == kSketch || kind == kTrainAndSketch)
      subspace::add_sketches(run, run.parameters, settings_, update);
  }

 private:
  subspace::SketchSettings settings_;
};

const RegisterAlgorithm<FotConfig, Fot, SketchingObjective> kFot{
    {"fot", "keeps the global model as it was on the inputs of earlier stages, by projecting its updates",
     "Bakman, Yaldiz, Ezzeldin, Avestimehr: Federated Orthogonal Training: Mitigating Global Catastrophic "
     "Forgetting in Continual Federated Learning, ICLR 2024"}};

}  // namespace
}  // namespace fedloom
