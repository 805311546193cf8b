// GPM in a federation. G. Saha, I. Garg, K. Roy, "Gradient Projection Memory for Continual Learning", ICLR
// 2021, with clients in the place of the one learner.
//
//   M (d, k)  basis of what the inputs of a layer were in earlier stages, one for each protected layer
//   clients   every step: the layer's mean gradient G (outputs, d) <- G - G M M^T, before the optimizer;
//   after the
//             first stage the gradients of everything one-dimensional (biases, scales) are zero, but for the
//             bias of a stage's own head
//   server    the example-weighted mean of deltas, as FedAvg
//   stage's end   with A all inputs under the new model and A' = A - M M^T A: the fewest first left singular
//   vectors
//             of A' join M for which |A|^2 - |A'|^2 + S_1^2 + … + S_k^2 >= eps |A|^2 (equations 5, 8 and 9)
//
// Deviation: nobody may see A, so the server has its sketch (continual/sketch.hpp), whose singular values are
// those of A' in expectation up to a factor; they are scaled to sum to |A'|^2. `criterion: code` is the
// authors' code, which in the first stage keeps those vectors before which less than eps is reached, one
// fewer. Weight decay is not projected: the optimizer adds it afterwards.
#include <algorithm>
#include <numeric>

#include "algorithms/algorithm.hpp"
#include "algorithms/continual/basis.hpp"
#include "algorithms/continual/sketch.hpp"

namespace fedloom {
namespace {

struct GpmConfig {
  double eps = 0.95;
  double eps_increment = 0.0;
  std::string criterion = "paper";
  bool freeze_vectors = true;
  double server_lr = 1.0;
  subspace::SketchSettings sketch;

  template <class Visitor>
  void visit(Visitor& v) {
    v("eps", eps, "share of the energy of a layer's inputs that is protected", between(0, 1));
    v("eps_increment", eps_increment, "added to eps after every stage", between(0, 1));
    v("criterion", criterion,
      "how many vectors the first stage keeps: as the paper says, or one fewer as the code",
      one_of({"paper", "code"}));
    v("freeze_vectors", freeze_vectors, "leave biases and scales as they are after the first stage");
    v("server_lr", server_lr, "step along the mean update", above(0));
    v("sketch", sketch, "sketches of layer inputs");
  }
};

constexpr const char* kSketch = "sketch";

class Gpm : public Strategy {
 public:
  explicit Gpm(const GpmConfig& config) : config_(config) {}

  Traits traits() const override {
    return {.several_phases = true, .sums_beside_delta = true, .needs_rounds = true, .learns_stages = true};
  }

  void start(ServerState& state, const PopulationInfo& population) const override {
    state.scalars["task_heads"] = population.task_heads ? 1.0 : 0.0;
    if (population.stages > 0) subspace::check_layers(layers_of(state), config_.sketch.layers, "gpm");
  }

  std::optional<Phase> next_phase(const ServerState& state, const WindowSums& window,
                                  const Recipe& base) const override {
    const std::vector<subspace::ProtectedLayer> layers = layers_of(state);
    if (window.phases.empty()) {
      Phase phase = train_phase(base, exchanged(state.model.layout()).size());
      phase.shared = subspace::basis_slots(state, layers);
      return phase;
    }
    if (!window.stage.last_window || window.has(kSketch)) return std::nullopt;
    Phase phase;
    phase.kind = kSketch;
    phase.cohort = Phase::Cohort::same;
    phase.recipe = base;
    phase.slots = subspace::sketch_slots(layers, config_.sketch);
    phase.shared = subspace::basis_slots(state, layers);
    phase.on_new_model = true;
    return phase;
  }

  std::map<std::string, double> advance(ServerState& state, const WindowSums& window) const override {
    if (!window.has(kSketch)) {
      apply_mean_delta(state, exchanged(state.model.layout()), window.phase("train").slot("delta"),
                       config_.server_lr);
      return {};
    }
    std::map<std::string, double> metrics;
    for (const subspace::ProtectedLayer& layer : layers_of(state)) {
      const subspace::LayerSpectrum spectrum = subspace::spectrum_of(window.phase(kSketch), layer);
      const std::size_t count = count_of(spectrum, window.stage.number);
      metrics[layer.slot("vectors")] =
          static_cast<double>(subspace::grow_basis(state, layer, spectrum, count));
    }
    return metrics;
  }

 private:
  std::vector<subspace::ProtectedLayer> layers_of(const ServerState& state) const {
    return subspace::protected_layers(state.model.layout(), config_.sketch.layers,
                                      state.scalars.at("task_heads") > 0.0);
  }

  std::size_t count_of(const subspace::LayerSpectrum& spectrum, std::uint64_t stage) const {
    const double eps = std::min(1.0, config_.eps + config_.eps_increment * static_cast<double>(stage - 1));
    std::vector<double> energies = spectrum.energies;
    const double sum = std::accumulate(energies.begin(), energies.end(), 0.0);
    if (!(sum > 0.0)) return 0;
    for (double& energy : energies) energy *= spectrum.rest / sum;
    const std::size_t count =
        subspace::count_reaching(energies, spectrum.energy - spectrum.rest, spectrum.energy, eps);
    return config_.criterion == "code" && stage == 1 && count > 0 ? count - 1 : count;
  }

  GpmConfig config_;
};

class ProjectingObjective : public LocalObjective {
 public:
  explicit ProjectingObjective(const GpmConfig& config) : config_(config) {}

  std::string privacy_gap(PrivacyUnit) const override { return "it returns sketches of layer inputs"; }

  void work(std::string_view kind, TaskRun& run) const override {
    if (kind != kSketch) train_locally(*this, run);
  }

  void begin(TaskRun& run) const override {
    if (run.recipe.stage < 2 || run.task->kind == kSketch) return;
    auto own = std::make_shared<Protected>();
    const Layout& layout = *run.model->layout();
    for (const subspace::ProtectedLayer& layer :
         subspace::protected_layers(layout, config_.sketch.layers, run.task_heads)) {
      const std::span<const float> basis = subspace::sent_basis(run, layer);
      if (!basis.empty()) own->layers.emplace_back(layer, basis);
    }
    // A head of the stage at hand is new, its bias with it; those of other stages have no gradient.
    const std::string head = run.task_heads ? subspace::last_layer(layout) + ".bias" : "";
    for (const Slice& slice : layout.slices())
      if (config_.freeze_vectors && slice.role == Role::trained && slice.shape.size() == 1 &&
          slice.name != head)
        own->frozen.push_back(slice);
    run.own = std::move(own);
  }

  void correct(TaskRun& run, std::span<float> gradient) const override {
    auto* own = static_cast<Protected*>(run.own.get());
    if (own == nullptr) return;
    for (const auto& [layer, basis] : own->layers)
      subspace::remove_span(gradient.subspan(layer.weight.offset, layer.weight.size), basis, layer.inputs,
                            own->scratch);
    for (const Slice& slice : own->frozen)
      std::fill_n(gradient.begin() + static_cast<std::ptrdiff_t>(slice.offset), slice.size, 0.0F);
  }

  void finish(TaskRun& run, Update& update) const override {
    if (run.task->kind == kSketch)
      subspace::add_sketches(run, run.parameters, config_.sketch, update);
    else
      update.slots.push_back(delta_payload(run));
  }

 private:
  /// What a task of a later stage leaves alone.
  struct Protected {
    std::vector<std::pair<subspace::ProtectedLayer, std::span<const float>>> layers;  // with their bases
    std::vector<Slice> frozen;
    FloatBuffer scratch;
  };

  GpmConfig config_;
};

const RegisterAlgorithm<GpmConfig, Gpm, ProjectingObjective> kGpm{
    {"gpm", "clients' steps leave the inputs of earlier stages as the model saw them",
     "Saha, Garg, Roy: Gradient Projection Memory for Continual Learning, ICLR 2021"}};

}  // namespace
}  // namespace fedloom
