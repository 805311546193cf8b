// What a second core adds to the training of one model: steps of McMahan's CNN at batch 128, cut into two
// pieces, on one thread and on two, one after the other in every sample so that both see the same machine.
// Reports the ratio of the medians.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

#include "models/data_parallel.hpp"
#include "models/loss.hpp"
#include "models/optimizer.hpp"

namespace fedloom {
namespace {

constexpr std::size_t kBatch = 128;

class Training {
 public:
  explicit Training(std::unique_ptr<Model> model)
      : model_(std::move(model)),
        workspace_(model_->workspace(kBatch)),
        optimizer_(OptimizerRegistry::instance().find("sgd", "optimizer").make(ConfigNode())),
        parameters_(model_->layout()),
        gradient_(model_->layout()),
        features_(kBatch * 784),
        labels_(kBatch),
        logit_gradient_(kBatch * 10) {
    Random random(1, Stream::init);
    model_->initialize(parameters_.values(), random);
    optimizer_->reset(*model_->layout());
    for (float& value : features_) value = static_cast<float>(random.normal());
    for (std::int32_t& label : labels_) label = static_cast<std::int32_t>(random.below(10));
  }

  /// Seconds of one step.
  double step() {
    const auto begin = std::chrono::steady_clock::now();
    const Batch batch{.size = kBatch, .features = features_.data(), .targets = labels_.data()};
    const auto logits = model_->forward(parameters_.values(), batch, *workspace_, {.training = true});
    benchmark::DoNotOptimize(softmax_cross_entropy(logits, labels_, 10, logit_gradient_).loss);
    for (float& value : logit_gradient_) value /= static_cast<float>(kBatch);
    model_->backward(parameters_.values(), batch, *workspace_, logit_gradient_, gradient_.values(), {});
    optimizer_->step(*model_->layout(), parameters_.values(), gradient_.values(), 0.01);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }

 private:
  std::unique_ptr<Model> model_;
  std::unique_ptr<Workspace> workspace_;
  std::unique_ptr<Optimizer> optimizer_;
  ParameterVector parameters_;
  ParameterVector gradient_;
  std::vector<float> features_;
  std::vector<std::int32_t> labels_;
  std::vector<float> logit_gradient_;
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

void second_thread(benchmark::State& state) {
  const auto make = [] {
    return ModelRegistry::instance().find("cnn", "model").make(ConfigNode(), DataSpec{{1, 28, 28}, 10, 0});
  };
  const auto pieces = [&](std::size_t threads) {
    return Training(data_parallel(make(), {.pieces = 2, .threads = threads, .width = 784}));
  };
  Training plain(make());
  Training one = pieces(1);
  Training two = pieces(2);
  std::vector<double> plain_seconds;
  std::vector<double> one_seconds;
  std::vector<double> two_seconds;
  for (auto _ : state) {
    plain_seconds.push_back(plain.step());
    one_seconds.push_back(one.step());
    two_seconds.push_back(two.step());
  }
  state.counters["plain ms"] = median(plain_seconds) * 1e3;
  state.counters["1 thread ms"] = median(one_seconds) * 1e3;
  state.counters["2 threads ms"] = median(two_seconds) * 1e3;
  state.counters["speed-up"] = median(one_seconds) / median(two_seconds);
  state.counters["against plain"] = median(plain_seconds) / median(two_seconds);
}

BENCHMARK(second_thread)->Iterations(30)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fedloom

BENCHMARK_MAIN();
