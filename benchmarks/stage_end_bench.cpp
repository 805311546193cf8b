// The server's part of a stage's end in FOT on one core: from summed sketches to grown bases, for the layers
// of the AlexNet of Split CIFAR-100 (inputs of 48, 576, 512, 1024 and 2048) with the columns of the authors'
// code. What the clients spend on their sketches is `client_sketches`, for one client of 100 examples.
#include <cmath>
#include <map>
#include <string>

#include <benchmark/benchmark.h>

#include "algorithms/algorithm.hpp"
#include "algorithms/continual/basis.hpp"
#include "algorithms/continual/sketch.hpp"
#include "core/random.hpp"
#include "models/model.hpp"

namespace {

using namespace fedloom;

std::shared_ptr<const Model> alexnet() {
  return ModelRegistry::instance()
      .find("alexnet", "model")
      .make(ConfigNode(), ModelContext(DataSpec{{3, 32, 32}, 100, 0}));
}

subspace::SketchSettings settings() {
  subspace::SketchSettings settings;
  settings.dense_columns = 5.0;
  settings.law = "normal";
  return settings;
}

/// Sums as they come of inputs whose energy falls by a factor e every `decay` of their width.
PhaseSum sums_of(const std::vector<subspace::ProtectedLayer>& layers, double decay) {
  Phase phase;
  phase.slots = subspace::sketch_slots(layers, settings());
  PhaseSum sum = empty_sum(phase, 1.0, 1.0, 1);
  Random random(1, Stream::noise);
  for (const subspace::ProtectedLayer& layer : layers) {
    SlotSum& slot = sum.slots.find(layer.slot("sketch"))->second;
    FloatBuffer values(slot.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double place = static_cast<double>(i % layer.inputs) / static_cast<double>(layer.inputs);
      values[i] = static_cast<float>(random.normal() * std::exp(-place / decay));
    }
    const WeightedValues term{values.data(), 1};
    slot.sum.add({&term, 1});
    sum.scalars[layer.slot("energy")] = sum.scalars[layer.slot("rest")] = 1.0;
    sum.scalars[layer.slot("ratio")] = sum.scalars["sketched"] = 1.0;
  }
  sum.accepted = 1;
  return sum;
}

void server_stage_end(benchmark::State& state) {
  const auto model = alexnet();
  const auto layers = subspace::protected_layers(*model->layout(), {"*"}, true);
  const PhaseSum sum = sums_of(layers, 0.1);
  for (auto _ : state) {
    ServerState server;
    server.model = ParameterVector(model->layout());
    for (const subspace::ProtectedLayer& layer : layers) {
      const subspace::LayerSpectrum spectrum = subspace::spectrum_of(sum, layer);
      const std::size_t half = layer.inputs / 2;  // far more than a threshold asks for
      benchmark::DoNotOptimize(subspace::grow_basis(server, layer, spectrum, half));
    }
  }
}
BENCHMARK(server_stage_end)->Unit(benchmark::kSecond)->Iterations(1);

// What every round of a later stage adds: the mean update is projected, here with bases of a third of each
// width.
void server_projection(benchmark::State& state) {
  const auto model = alexnet();
  const auto layers = subspace::protected_layers(*model->layout(), {"*"}, true);
  Random random(4, Stream::noise);
  std::map<std::string, FloatBuffer> bases;
  for (const subspace::ProtectedLayer& layer : layers) {
    bases[layer.name].resize(layer.inputs / 3 * layer.inputs);
    for (float& value : bases[layer.name]) value = static_cast<float>(random.normal(0.0, 0.01));
  }
  FloatBuffer change(model->layout()->size(), 0.01F);
  for (auto _ : state) {
    for (const subspace::ProtectedLayer& layer : layers)
      subspace::remove_span(std::span(change).subspan(layer.weight.offset, layer.weight.size),
                            bases[layer.name], layer.inputs);
    benchmark::DoNotOptimize(change.data());
  }
}
BENCHMARK(server_projection)->Unit(benchmark::kMillisecond);

class SomeImages final : public LocalData {
 public:
  explicit SomeImages(std::size_t count) : values_(count * 3072), labels_(count, 1) {
    Random random(2, Stream::dataset);
    for (float& value : values_) value = static_cast<float>(random.normal());
  }
  std::size_t size() const override { return labels_.size(); }
  Batch batch(std::span<const std::uint32_t> positions) override {
    Batch batch;  // positions come in order here
    batch.size = positions.size();
    batch.features = values_.data() + std::size_t{positions.front()} * 3072;
    batch.targets = labels_.data();
    return batch;
  }

 private:
  FloatBuffer values_;
  std::vector<std::int32_t> labels_;
};

void client_sketches(benchmark::State& state) {
  const auto model = alexnet();
  FloatBuffer parameters(model->layout()->size());
  Random random(3, Stream::init);
  model->initialize(parameters, random);
  SomeImages data(100);
  Task task;
  const auto workspace = model->workspace(16);
  TaskRun run;
  run.task = &task;
  run.model = model.get();
  run.data = &data;
  run.workspace = workspace.get();
  run.task_heads = true;
  for (auto _ : state) {
    Update update;
    subspace::add_sketches(run, parameters, settings(), update);
    benchmark::DoNotOptimize(update.slots.data());
  }
}
BENCHMARK(client_sketches)->Unit(benchmark::kSecond)->Iterations(1);

}  // namespace

BENCHMARK_MAIN();
