// What clients tell of the inputs of layers without showing them: a sum of randomly weighed inputs, whose
// span is, in expectation, that of the inputs with the energy in each direction. Sums of sketches are
// sketches of all the inputs together, in any order. Y. F. Bakman, D. N. Yaldiz, Y. H. Ezzeldin, S.
// Avestimehr, "Federated Orthogonal Training: Mitigating Global Catastrophic Forgetting in Continual
// Federated Learning", ICLR 2024 (there GPSE).
//
//   A (d, n) inputs of one client, U (d, k) the basis so far (k may be 0):   A' = A - U U^T A
//   Y = A' W,  W (n, m) random, from the seed, client and task;   |A|^2 and |A'|^2 squared Frobenius norms
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "algorithms/continual/layers.hpp"
#include "algorithms/local_objective.hpp"
#include "algorithms/strategy.hpp"

namespace fedloom::subspace {

/// Settings that methods with sketches share.
struct SketchSettings {
  std::vector<std::string> layers = {"*"};
  double columns = 1.0;
  double dense_columns = 0.0;
  std::uint64_t most_columns = 0;
  std::string law = "uniform";
  std::uint64_t examples = 0;

  template <class Visitor>
  void visit(Visitor& v) {
    v("layers", layers,
      "protected layers: names or patterns of dense layers and convolutions. With a head per stage the last "
      "layer "
      "is never one");
    v("columns", columns, "columns of a layer's sketch, times the width of its input", above(0));
    v("dense_columns", dense_columns, "the same for dense layers; 0: as `columns`", at_least(0));
    v("most_columns", most_columns, "at most so many columns; 0: no limit");
    v("law", law, "of the random weights: uniform in (-1, 1), or normal", one_of({"uniform", "normal"}));
    v("examples", examples, "sketch at most so many examples of a client, drawn at random; 0: all");
  }

  /// m of a layer.
  std::size_t columns_of(const ProtectedLayer& layer) const;
};

/// Client: runs the client's examples through `parameters` in evaluation mode and adds to the update, for
/// each layer, the slot "sketch.LAYER" (m, d), which is Y transposed, and the scalars "energy.LAYER" = |A|^2,
/// "rest.LAYER" = |A'|^2 and "ratio.LAYER" = n |A'| / |A|; and "sketched" = n. The bases come as shared
/// vectors "basis.LAYER".
void add_sketches(TaskRun& run, std::span<const float> parameters, const SketchSettings& settings,
                  Update& update);

/// Server: the slots of a phase in which clients sketch these layers.
std::vector<SlotSpec> sketch_slots(const std::vector<ProtectedLayer>& layers, const SketchSettings& settings);

/// Server: the layers' bases that exist, as names of slots of the state.
std::vector<std::string> basis_slots(const ServerState& state, const std::vector<ProtectedLayer>& layers);

/// Client: the vectors of the basis of a layer that came with the task; none when none did. Throws UserError
/// when they are not of the layer's width, or more than it has dimensions.
std::span<const float> sent_basis(const TaskRun& run, const ProtectedLayer& layer);

/// Server: what all sketches of a layer together say.
struct LayerSpectrum {
  std::vector<double> energies;  // (d) of directions outside of the basis, largest first
  std::vector<double> vectors;   // (d, d), row i is the direction with energies[i]
  double energy = 0.0;           // sum of |A|^2
  double rest = 0.0;             // sum of |A'|^2
  double mean_ratio = 0.0;       // mean of |A'| / |A|, by numbers of examples
};
LayerSpectrum spectrum_of(const PhaseSum& sum, const ProtectedLayer& layer);

/// Server: adds the first `count` directions to the layer's basis, slot "basis.LAYER", and returns how many
/// vectors it has then.
std::size_t grow_basis(ServerState& state, const ProtectedLayer& layer, const LayerSpectrum& spectrum,
                       std::size_t count);

}  // namespace fedloom::subspace
