// An observer of layer inputs on the client, eigenvectors of the summed sketch on the server.
#include "algorithms/continual/sketch.hpp"

#include <algorithm>
#include <cmath>

#include "algorithms/continual/basis.hpp"
#include "algorithms/continual/some_examples.hpp"
#include "core/error.hpp"
#include "models/gemm.hpp"
#include "models/symmetric_eigen.hpp"

namespace fedloom::subspace {

namespace {

// Values of a sketch are sums over all positions of all examples; with this range a unit is 2^-31.
constexpr double kSketchRange = 1 << 20;

double energy_of(std::span<const float> values) {
  double sum = 0.0;
  for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
  return sum;
}

/// The sketches of one client in the making.
class Sketcher final : public LayerObserver {
 public:
  Sketcher(TaskRun& run, const SketchSettings& settings)
      : normal_(settings.law == "normal"), random_(run.random(Stream::strategy)) {
    for (const ProtectedLayer& layer :
         protected_layers(*run.model->layout(), settings.layers, run.task_heads)) {
      Sketched& sketched = layers_[layer.name];
      sketched.inputs = layer.inputs;
      sketched.columns = settings.columns_of(layer);
      sketched.sketch = Tensor::zeros(
          {static_cast<std::int64_t>(sketched.columns), static_cast<std::int64_t>(sketched.inputs)});
      sketched.basis = sent_basis(run, layer);
    }
  }

  void layer_input(std::string_view layer, std::span<const float> values, std::size_t rows,
                   std::size_t width) override {
    const auto found = layers_.find(layer);
    if (found == layers_.end()) return;
    Sketched& sketched = found->second;
    FEDLOOM_CHECK(width == sketched.inputs, "inputs of {} for layer {} of {}", width, layer, sketched.inputs);
    sketched.seen = true;
    sketched.energy += energy_of(values);
    rest_.assign(values.begin(), values.end());
    remove_span(rest_, sketched.basis, width);
    sketched.rest += energy_of(rest_);
    weights_.resize(rows * sketched.columns);
    for (float& weight : weights_) weight = draw();
    gemm({sketched.columns, width, rows, transposed(weights_.data(), sketched.columns),
          plain(rest_.data(), width), sketched.sketch.data.data(), width, true});
  }

  void add_to(Update& update, std::size_t examples) {
    update.scalars["sketched"] = static_cast<double>(examples);
    for (auto& [name, sketched] : layers_) {
      if (examples > 0 && !sketched.seen)
        throw user_error(
            "layer {} does not say what its inputs are, so it cannot be protected; leave it out of "
            "strategy.sketch.layers",
            name);
      update.slots.push_back(Payload::from("sketch." + name, std::move(sketched.sketch)));
      update.scalars["energy." + name] = sketched.energy;
      update.scalars["rest." + name] = sketched.rest;
      const double ratio = sketched.energy > 0.0 ? std::sqrt(sketched.rest / sketched.energy) : 0.0;
      update.scalars["ratio." + name] = ratio * static_cast<double>(examples);
    }
  }

 private:
  struct Sketched {
    std::size_t inputs = 0;
    std::size_t columns = 0;
    std::span<const float> basis;
    Tensor sketch;
    double energy = 0.0;
    double rest = 0.0;
    bool seen = false;
  };

  float draw() {
    if (normal_) return static_cast<float>(random_.normal());
    // The upper 24 bits, centred: symmetric, and never 0 or 1.
    return (static_cast<float>(random_.next32() >> 8U) + 0.5F) * 0x1p-23F - 1.0F;
  }

  bool normal_;
  Random random_;
  std::map<std::string, Sketched, std::less<>> layers_;
  FloatBuffer rest_;
  FloatBuffer weights_;
};

double scalar_of(const PhaseSum& sum, const std::string& name) {
  const auto found = sum.scalars.find(name);
  return found == sum.scalars.end() ? 0.0 : found->second;
}

}  // namespace

std::size_t SketchSettings::columns_of(const ProtectedLayer& layer) const {
  const double factor = !layer.convolves() && dense_columns > 0 ? dense_columns : columns;
  auto count =
      static_cast<std::size_t>(std::max(1.0, std::round(factor * static_cast<double>(layer.inputs))));
  if (most_columns > 0) count = std::min<std::size_t>(count, most_columns);
  return count;
}

void add_sketches(TaskRun& run, std::span<const float> parameters, const SketchSettings& settings,
                  Update& update) {
  Sketcher sketcher(run, settings);
  const std::vector<std::uint32_t> positions = some_examples(run, settings.examples);
  const std::size_t step = run.workspace->max_batch();
  for (std::size_t begin = 0; begin < positions.size(); begin += step) {
    const std::size_t count = std::min(step, positions.size() - begin);
    const Batch batch = run.data->batch(std::span(positions).subspan(begin, count));
    run.model->forward(parameters, batch, *run.workspace, {.observer = &sketcher});
  }
  sketcher.add_to(update, positions.size());
}

std::vector<SlotSpec> sketch_slots(const std::vector<ProtectedLayer>& layers,
                                   const SketchSettings& settings) {
  std::vector<SlotSpec> slots;
  for (const ProtectedLayer& layer : layers)
    slots.push_back({.name = layer.slot("sketch"),
                     .size = settings.columns_of(layer) * layer.inputs,
                     .weighting = Weighting::uniform,
                     .range = kSketchRange});
  return slots;
}

std::vector<std::string> basis_slots(const ServerState& state, const std::vector<ProtectedLayer>& layers) {
  std::vector<std::string> names;
  for (const ProtectedLayer& layer : layers)
    if (state.slots.contains(layer.slot("basis"))) names.push_back(layer.slot("basis"));
  return names;
}

std::span<const float> sent_basis(const TaskRun& run, const ProtectedLayer& layer) {
  const auto sent = run.shared.find(layer.slot("basis"));
  if (sent == run.shared.end()) return {};
  const std::span<const float> basis = sent->second.values();
  if (basis.size() % layer.inputs != 0 || basis.size() / layer.inputs > layer.inputs)
    throw user_error("the basis of layer {} came with {} floats, which are no vectors of {}", layer.name,
                     basis.size(), layer.inputs);
  return basis;
}

LayerSpectrum spectrum_of(const PhaseSum& sum, const ProtectedLayer& layer) {
  const SlotSum& sketch = sum.slot(layer.slot("sketch"));
  const std::size_t d = layer.inputs;
  const std::size_t m = sketch.size() / d;
  FloatBuffer y(d * m);
  for (std::size_t column = 0; column < m; ++column)
    for (std::size_t row = 0; row < d; ++row)
      y[row * m + column] = static_cast<float>(sketch.total(column * d + row));
  LayerSpectrum spectrum;
  SymmetricEigen eigen = symmetric_eigen(gram_matrix(y, d), d);
  spectrum.energies = std::move(eigen.values);
  for (double& energy : spectrum.energies) energy = std::max(0.0, energy);  // rounding
  spectrum.vectors = std::move(eigen.vectors);
  spectrum.energy = scalar_of(sum, layer.slot("energy"));
  spectrum.rest = scalar_of(sum, layer.slot("rest"));
  const double examples = scalar_of(sum, "sketched");
  spectrum.mean_ratio = examples > 0.0 ? scalar_of(sum, layer.slot("ratio")) / examples : 0.0;
  return spectrum;
}

std::size_t grow_basis(ServerState& state, const ProtectedLayer& layer, const LayerSpectrum& spectrum,
                       std::size_t count) {
  const std::string name = layer.slot("basis");
  const auto known = state.slots.find(name);
  if (count == 0) return known == state.slots.end() ? 0 : known->second.data.size() / layer.inputs;
  const Tensor before = known == state.slots.end() ? Tensor{{0, 0}, {}} : known->second;
  const std::span<const double> directions(spectrum.vectors.data(), count * layer.inputs);
  Tensor after = grown(before, directions, layer.inputs);
  const std::size_t size = after.data.size() / layer.inputs;
  if (size > 0) state.slots[name] = std::move(after);
  return size;
}

}  // namespace fedloom::subspace
