// The server half of an algorithm. A strategy is immutable after construction: everything that changes
// lives in ServerState, a value that checkpoints save without knowing the algorithm. One paper is one
// .cpp file that defines a Strategy, usually a LocalObjective (local_objective.hpp), and registers both.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/fixed_point.hpp"
#include "core/layout.hpp"
#include "core/messages.hpp"

namespace fedloom {

/// The federation as the server knows it when the run starts.
struct PopulationInfo {
  std::uint64_t clients = 0;
  std::uint64_t seed = 0;
  double adapter_alpha = 0.0;  // of LoRA factors, whose product counts alpha / rank times
  std::uint64_t stages = 0;    // of a sequence of them; 0: none
  bool task_heads = false;     // the last layer's rows are heads of the stages (models/task_heads.hpp)
};

/// What the server carries from window to window.
struct ServerState {
  ParameterVector model;
  Version version = 0;
  TensorMap slots;                        // momentum, control variates, subspace bases …
  std::map<std::string, double> scalars;  // counters, adaptive thresholds …
};

/// Named vectors by which a strategy describes the step from one model to the next.
using PatchParts = std::vector<Payload>;

/// What a strategy needs from the engine or promises to it.
struct Traits {
  bool keeps_updates = false;       // advance() needs every update beside the sums (median, Krum)
  bool keeps_client_state = false;  // clients carry slots between their tasks
  bool exchanges = true;            // false: clients never receive a model (local-only training)
  bool personal_models = false;     // quality is measured on clients' own models (kept slot "model")
  bool pools_data = false;          // one client holds everybody's data (centralised training)
  /// Every step of a task must be the same rate times the gradient: no momentum, decay or clipping, and no
  /// schedule within a task.
  bool needs_plain_sgd = false;
  /// A window may have more than one phase.
  bool several_phases = false;
  /// It sums slots beside "delta" (control variates), which are relative to the model a client started from.
  bool sums_beside_delta = false;
  /// Updates mean something only to the model that their clients started from, so rounds must not overlap.
  bool needs_rounds = false;
  /// Clients follow the model by patches (Strategy::patch) from the initial model on, which they have.
  bool patches_model = false;
  /// It is about a sequence of stages: without one it would be another strategy.
  bool learns_stages = false;
  /// It works on LoRA factors: the experiment needs `adapter: {name: lora, …}`.
  bool needs_lora = false;
};

/// One named vector that clients return and the server sums.
struct SlotSpec {
  std::string name;
  std::size_t size = 0;
  Weighting weighting = Weighting::contribution;
  double range = 1024.0;  // a value beyond it is rejected(range)
};

/// One kind of task within a window.
struct Phase {
  std::string kind = "train";
  enum class Cohort : std::uint8_t { sample, same } cohort = Cohort::sample;
  Recipe recipe;
  std::vector<SlotSpec> slots;
  std::vector<std::string> shared;  // ServerState slots that every task of this phase receives
  /// It starts from the model that the window's phases before it make: advance() is called with their sums
  /// first, and at the end of the window once more, with those of this phase and later ones.
  bool on_new_model = false;
};

/// Where a window lies in a sequence of stages (datasets/continual.hpp).
struct StageMoment {
  std::uint64_t number = 0;  // of the stage, from 1; 0: there is no sequence, or all of it is trained at once
  std::uint64_t count = 0;   // of stages; 0: no sequence
  bool first_window = false;  // of this stage
  bool last_window = false;
};

/// The sum of one slot over a phase's accepted tasks, with its normaliser.
struct SlotSum {
  FixedPointSum sum;
  double normaliser = 1.0;
  Weighting weighting = Weighting::contribution;

  std::size_t size() const { return sum.size(); }
  /// Weighted mean of element i.
  double mean(std::size_t i) const { return sum.value(i) / normaliser; }
  /// Weighted sum of element i, not normalised.
  double total(std::size_t i) const { return sum.value(i); }
};

/// What one phase brought in.
struct PhaseSum {
  std::map<std::string, SlotSum, std::less<>> slots;
  std::uint64_t accepted = 0;
  std::map<std::string, double> scalars;  // sums of scalars over accepted tasks, in client order
  /// Every accepted update in client order, and its weight over the normaliser (1 in sum for rounds); only
  /// for strategies that keep updates.
  std::vector<Update> updates;
  std::vector<double> shares;

  const SlotSum& slot(std::string_view name) const;
};

/// The window so far, phase by phase in the order they ran.
struct WindowSums {
  WindowId window = 0;
  StageMoment stage = {};
  std::vector<std::pair<std::string, PhaseSum>> phases;

  const PhaseSum& phase(std::string_view kind) const;
  /// Whether there is a phase of this kind.
  bool has(std::string_view kind) const;
};

/// An accepted update on its way into the sum.
struct Contribution {
  const Update* update = nullptr;
  std::uint64_t weight = 0;  // numerator for Weighting::contribution
};

class Strategy {
 public:
  virtual ~Strategy() = default;

  virtual Traits traits() const { return {}; }
  /// Which slices travel. Default: all that are trained or statistics.
  virtual SliceSet exchanged(const Layout& layout) const { return SliceSet::exchanged(layout); }
  /// Which of them a task of this recipe returns, where its client half sends "delta" as it is. Default: what
  /// is exchanged and the task trains, and statistics.
  virtual SliceSet uploaded(const Layout& layout, const Recipe& recipe) const;
  /// Slices that every client keeps for itself from task to task, in its kept slot kPersonalSlot. They never
  /// travel; the first task starts from the initial model's. Needs keeps_client_state. Default: none.
  virtual SliceSet personal(const Layout& layout) const;
  /// Once per run: make named slots in the state.
  virtual void start(ServerState& state, const PopulationInfo& population) const;
  /// What the window still needs, or nothing when it may advance. `base` is the recipe of the experiment.
  /// Default: one phase "train" that sums the slot "delta".
  virtual std::optional<Phase> next_phase(const ServerState& state, const WindowSums& window,
                                          const Recipe& base) const;
  /// Attach vectors or change the recipe of one outgoing task. An extra named "model" is the model that this
  /// client starts from, instead of the shared one: the exchanged slices of a model of the recipe's rank.
  virtual void prepare(const ServerState& state, Task& task) const;
  /// Floats that this task's update brings in a slot. Default: the slot's size.
  virtual std::size_t slot_size(const ServerState& state, const SlotSpec& slot, const Task& task) const;
  /// Undo the client's transforms before the update is folded; Reason::none when it is sound.
  virtual Reason decode(Update& update) const;
  /// Add accepted updates to the phase's sums. Runs where the updates are: at a worker or at the server.
  /// Default: the weighted sum of every slot.
  virtual void fold(std::span<const Contribution> contributions, PhaseSum& sum) const;
  /// Make the next model from the window's sums; returns metrics to report. apply_mean_delta() is the rule
  /// that most share.
  virtual std::map<std::string, double> advance(ServerState& state, const WindowSums& window) const = 0;
  /// With Traits::patches_model: what turns the model that clients have into the one that advance() made,
  /// taken out of `state`. apply() goes that step here and at every client, to the same bits; what advance()
  /// has written to the model already comes out the same.
  virtual PatchParts patch(ServerState& state) const;
  /// The step that `parts` describe, on the exchanged slices of `model`. Throws UserError when they do not
  /// fit.
  virtual void apply(const PatchParts& parts, ParameterVector& model) const;
  /// Answer a client's call from inside a step (split learning). Default: programmer error. No strategy
  /// has such clients yet, so nothing calls it yet.
  virtual TensorMap serve(ServerState& state, const TensorMap& request) const;
};

/// Kept slot of Strategy::personal().
inline constexpr const char* kPersonalSlot = "personal";

/// model += server_lr * mean of the slot "delta" on trained slices, += mean on statistic slices: the
/// server rule that most strategies share or build on.
void apply_mean_delta(ServerState& state, const SliceSet& exchanged, const SlotSum& delta, double server_lr);

/// Whether a task of this recipe may change the slice: it is trained and not frozen by name, or a statistic.
bool trains(const Recipe& recipe, const Slice& slice);

/// The common one-phase plan: kind "train", slot "delta" of the exchanged size.
Phase train_phase(const Recipe& recipe, std::size_t exchanged_size);

/// Sums of the right sizes and scales for a phase. `largest_weight` bounds one numerator, `total_weight`
/// their sum, `cohort` the number of tasks.
PhaseSum empty_sum(const Phase& phase, double largest_weight, double total_weight, std::uint64_t cohort);

}  // namespace fedloom
