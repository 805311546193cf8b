// One step of local training (forward, loss, backward, SGD) of the standard models on one thread, on random
// data of MNIST's form. Reports samples/s and GFLOP/s, counted as 2 x multiply-adds of forward, weight
// gradient and, except for the first layer, input gradient.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/random.hpp"
#include "models/loss.hpp"
#include "models/model.hpp"
#include "models/optimizer.hpp"

namespace fedloom {
namespace {

struct Job {
  std::string model;
  double first_layer_flops;  // of one forward pass; its input gradient is not computed
};

void train_step(benchmark::State& state, const Job& job) {
  const DataSpec spec{{1, 28, 28}, 10, 0};
  const auto model = ModelRegistry::instance().find(job.model, "model").make(ConfigNode(), spec);
  const auto optimizer = OptimizerRegistry::instance().find("sgd", "optimizer").make(ConfigNode());
  const auto B = static_cast<std::size_t>(state.range(0));
  const auto workspace = model->workspace(B);

  Random random(1, Stream::init);
  ParameterVector parameters(model->layout());
  ParameterVector gradient(model->layout());
  model->initialize(parameters.values(), random);
  optimizer->reset(*model->layout());

  // Several batches, so that the inputs are not always in the nearest cache.
  constexpr std::size_t kBatches = 16;
  std::vector<float> features(kBatches * B * 784);
  std::vector<std::int32_t> labels(kBatches * B);
  for (float& value : features) value = static_cast<float>(random.normal());
  for (std::int32_t& label : labels) label = static_cast<std::int32_t>(random.below(10));
  std::vector<float> logit_gradient(B * 10);

  std::size_t step = 0;
  for (auto _ : state) {
    const std::size_t at = step++ % kBatches * B;
    const Batch batch{.size = B, .features = features.data() + at * 784, .targets = labels.data() + at};
    const auto logits = model->forward(parameters.values(), batch, *workspace, {.training = true});
    const LossSum loss = softmax_cross_entropy(logits, {batch.targets, B}, 10, logit_gradient);
    benchmark::DoNotOptimize(loss.loss);
    for (float& value : logit_gradient) value /= static_cast<float>(B);
    model->backward(parameters.values(), batch, *workspace, logit_gradient, gradient.values(), {});
    optimizer->step(*model->layout(), parameters.values(), gradient.values(), 0.01);
  }
  const double samples = static_cast<double>(state.iterations()) * static_cast<double>(B);
  const double flops = 3.0 * model->forward_flops() - job.first_layer_flops;
  state.counters["samples/s"] = benchmark::Counter(samples, benchmark::Counter::kIsRate);
  state.counters["GFLOP/s"] = benchmark::Counter(samples * flops * 1e-9, benchmark::Counter::kIsRate);
}

BENCHMARK_CAPTURE(train_step, softmax, Job{"softmax", 2.0 * 784 * 10})->Arg(10)->Arg(32);
BENCHMARK_CAPTURE(train_step, 2nn, Job{"2nn", 2.0 * 784 * 200})->Arg(10)->Arg(32);
BENCHMARK_CAPTURE(train_step, cnn, Job{"cnn", 2.0 * 784 * 32 * 25})->Arg(10)->Arg(32);

}  // namespace
}  // namespace fedloom

BENCHMARK_MAIN();
