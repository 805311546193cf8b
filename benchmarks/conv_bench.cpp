// The convolutions of the standard models, one thread: GFLOP/s of forward, of the input gradient and of the
// weight gradient, each counted as 2 x multiply-adds of the whole kernel on every output position (taps that
// meet the border included, so a kernel that leaves them out may pass the machine's limit).
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "core/random.hpp"
#include "core/tensor.hpp"
#include "models/layers/conv2d.hpp"
#include "models/sequential.hpp"

namespace fedloom {
namespace {

struct Convolution {
  const char* name;
  Shape input;
  Conv2dOptions options;
  std::size_t batch;
};

const Convolution kConvolutions[] = {
    {"cnn.conv1", {1, 28, 28}, {.channels = 32, .kernel = 5, .padding = 2, .relu = true, .pool = true}, 10},
    {"cnn.conv2", {32, 14, 14}, {.channels = 64, .kernel = 5, .padding = 2, .relu = true, .pool = true}, 10},
    {"lenet5.conv1", {1, 28, 28}, {.channels = 6, .kernel = 5, .padding = 2, .relu = true, .pool = true}, 10},
    {"lenet5.conv2", {6, 14, 14}, {.channels = 16, .kernel = 5, .relu = true, .pool = true}, 10},
    {"cifar.conv1", {3, 32, 32}, {.channels = 6, .kernel = 5, .relu = true, .pool = true}, 32},
    {"resnet20.first", {3, 32, 32}, {.channels = 16, .kernel = 3, .padding = 1, .bias = false}, 32},
    {"resnet20.stage1", {16, 32, 32}, {.channels = 16, .kernel = 3, .padding = 1, .bias = false}, 32},
    {"resnet20.down2",
     {16, 32, 32},
     {.channels = 32, .kernel = 3, .stride = 2, .padding = 1, .bias = false},
     32},
    {"resnet20.stage2", {32, 16, 16}, {.channels = 32, .kernel = 3, .padding = 1, .bias = false}, 32},
    {"resnet20.down3",
     {32, 16, 16},
     {.channels = 64, .kernel = 3, .stride = 2, .padding = 1, .bias = false},
     32},
    {"resnet20.stage3", {64, 8, 8}, {.channels = 64, .kernel = 3, .padding = 1, .bias = false}, 32},
};

enum class Part { forward, inputs, weights };

void convolve(benchmark::State& state, const Convolution& convolution, Part part) {
  const auto model = sequential(DataSpec{convolution.input}, {conv2d("conv", convolution.options)});
  const std::size_t B = convolution.batch;
  const auto workspace = model->workspace(B);
  Random random(1, Stream::init);
  ParameterVector parameters(model->layout());
  ParameterVector gradient(model->layout());
  model->initialize(parameters.values(), random);
  FloatBuffer x(B * element_count(convolution.input));
  FloatBuffer dx(x.size());
  FloatBuffer dy(B * model->outputs());
  for (float& value : x) value = static_cast<float>(random.normal());
  for (float& value : dy) value = static_cast<float>(random.normal());
  const Batch batch{.size = B, .features = x.data()};
  const std::span<float> sum = part == Part::weights ? gradient.values() : std::span<float>();
  BackwardOptions options;
  if (part == Part::inputs) options.input_gradient = {dx.data(), dx.size()};
  model->forward(parameters.values(), batch, *workspace, {});
  for (auto _ : state) {
    if (part == Part::forward)
      model->forward(parameters.values(), batch, *workspace, {});
    else
      model->backward(parameters.values(), batch, *workspace, {dy.data(), dy.size()}, sum, options);
    benchmark::ClobberMemory();
  }
  state.counters["GFLOP/s"] =
      benchmark::Counter(static_cast<double>(state.iterations() * B) * model->forward_flops() * 1e-9,
                         benchmark::Counter::kIsRate);
}

void register_convolutions() {
  for (const Convolution& convolution : kConvolutions) {
    const auto add = [&](const char* part, Part which) {
      benchmark::RegisterBenchmark((std::string(convolution.name) + "/" + part).c_str(), convolve,
                                   convolution, which)
          ->MinTime(0.1);
    };
    add("forward", Part::forward);
    add("inputs", Part::inputs);
    add("weights", Part::weights);
  }
}

}  // namespace
}  // namespace fedloom

int main(int argc, char** argv) {
  fedloom::register_convolutions();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
