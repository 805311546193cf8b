// Speed of local training, measured on what a worker runs: LocalTrainer with federated averaging's objective,
// batch gather included. T threads are T clients at once, each with its own trainer. Prints one JSON line
// with the fields of torch_step.py, whose model names it shares; `--model gemm` gives the best matrix
// product.
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "benchmarks/trained_models.hpp"
#include "client/local_trainer.hpp"
#include "core/random.hpp"
#include "core/version.hpp"
#include "datasets/image_examples.hpp"
#include "models/gemm.hpp"

namespace fedloom::benchmarks {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kWarmUp = 0.3;  // seconds
constexpr const char* kProduct = "gemm";

struct Arguments {
  std::string model = "2nn";
  std::int64_t batch = 10;
  std::int64_t steps = 100;
  std::int64_t threads = 1;
  std::int64_t reps = 7;
};

struct Seconds {
  double wall = 0.0;
  double cpu = 0.0;  // of all threads
};

double cpu_seconds() {
  std::timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

template <class Work>
Seconds timed(const Work& work) {
  const double cpu = cpu_seconds();
  const auto begin = std::chrono::steady_clock::now();
  work();
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(),
          cpu_seconds() - cpu};
}

template <class Work>
void warm_up(const Work& work) {
  double spent = 0.0;
  do spent += timed(work).wall;
  while (spent < kWarmUp);
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Clients that all hold the same few hundred random pictures, a whole number of batches.
class RandomPictures final : public FederatedData {
 public:
  RandomPictures(DataSpec spec, std::size_t clients, std::size_t batch) : clients_(clients) {
    constexpr std::size_t kPictures = 320;
    const std::size_t count = std::max<std::size_t>(1, kPictures / batch) * batch;
    Random random(1, Stream::dataset);
    KeptPixels pixels{count, KeptRows::all(), {}};
    pixels.pixels.resize(count * static_cast<std::size_t>(spec.width()));
    for (std::uint8_t& pixel : pixels.pixels) pixel = static_cast<std::uint8_t>(random.below(256));
    std::vector<std::uint8_t> labels(count);
    for (std::uint8_t& label : labels)
      label = static_cast<std::uint8_t>(random.below(static_cast<std::uint32_t>(spec.classes)));
    const Normalisation unit{.mean = {0.5}, .deviation = {0.29}};  // of uniform bytes
    view_.examples = std::make_shared<ImageExamples>(std::move(spec), std::move(pixels), std::move(labels),
                                                     std::vector<std::uint8_t>{}, unit, "train_step");
    for (std::uint32_t i = 0; i < count; ++i) view_.indices.push_back(i);
  }

  const DataSpec& spec() const override { return view_.examples->spec(); }
  std::size_t clients() const override { return clients_; }
  std::size_t example_count(std::size_t) const override { return view_.size(); }
  ExampleView client(std::size_t) const override { return view_; }
  ExampleView client_test(std::size_t) const override { return {}; }
  const ExampleView& validation() const override { return none_; }
  const ExampleView& test() const override { return none_; }
  std::size_t memory_bytes() const override { return view_.examples->memory_bytes(); }

 private:
  std::size_t clients_;
  ExampleView view_;
  ExampleView none_;
};

/// The trainers of one worker, and a task for each.
class Crew {
 public:
  Crew(TrainedModel& what, const Arguments& arguments) : arguments_(arguments) {
    const auto threads = static_cast<std::size_t>(arguments.threads);
    Algorithm algorithm = AlgorithmRegistry::instance().find("fedavg", "strategy").make(ConfigNode());
    auto world = std::make_shared<LocalWorld>();
    world->model = std::move(what.model);
    world->strategy = std::move(algorithm.strategy);
    world->objective = std::move(algorithm.objective);
    world->data =
        std::make_shared<RandomPictures>(what.data, threads, static_cast<std::size_t>(arguments.batch));
    world->make_optimizer = [] {
      return OptimizerRegistry::instance().find("sgd", "optimizer").make(ConfigNode());
    };
    world->initial.resize(world->model->layout()->size());
    Random random(1, Stream::init);
    world->model->initialize(world->initial, random);
    for (std::size_t i = 0; i < threads; ++i) trainers_.push_back(std::make_unique<LocalTrainer>(world));
  }

  /// Every client takes `steps` steps from the initial model.
  void train(std::int64_t steps) {
    std::vector<std::string> errors(trainers_.size());
    const auto work = [&](std::size_t client) {
      Task task;
      task.id = {.client = client, .number = 1};
      task.recipe = {.steps = steps, .batch_size = arguments_.batch, .learning_rate = 0.01};
      errors[client] = trainers_[client]->run(task, {}).error;
    };
    {
      std::vector<std::jthread> others;
      for (std::size_t i = 1; i < trainers_.size(); ++i) others.emplace_back(work, i);
      work(0);
    }
    for (const std::string& error : errors)
      if (!error.empty()) throw user_error("training failed: {}", error);
  }

 private:
  const Arguments& arguments_;
  std::vector<std::unique_ptr<LocalTrainer>> trainers_;
};

Json training(const Arguments& arguments) {
  TrainedModel what = trained_model(arguments.model);
  Crew crew(what, arguments);
  warm_up([&] { crew.train(std::max<std::int64_t>(1, arguments.steps / 10)); });
  std::vector<double> wall;
  std::vector<double> cpu;
  const auto steps = static_cast<double>(arguments.steps);
  for (std::int64_t i = 0; i < arguments.reps; ++i) {
    const Seconds seconds = timed([&] { crew.train(arguments.steps); });
    wall.push_back(seconds.wall / steps * 1e3);
    cpu.push_back(seconds.cpu / steps * 1e3);
  }
  const double examples = static_cast<double>(arguments.batch * arguments.threads);
  const double flops = what.work.flops();
  return {{"bench", "train_step"},
          {"model", arguments.model},
          {"mode", "local_trainer"},
          {"batch", arguments.batch},
          {"threads", arguments.threads},
          {"clients", arguments.threads},
          {"channels_last", false},
          {"params", what.parameters},
          {"trainable", what.trainable},
          {"steps", arguments.steps},
          {"reps", arguments.reps},
          {"ms_step", median(wall)},
          {"ms_min", *std::min_element(wall.begin(), wall.end())},
          {"ms_max", *std::max_element(wall.begin(), wall.end())},
          {"cpu_ms_step", median(cpu)},
          {"samples_s", examples / median(wall) * 1e3},
          {"flop_per_sample", flops},
          {"gflops", flops * examples / median(wall) * 1e-6},
          {"gflops_per_cpu_s", flops * examples / median(cpu) * 1e-6},
          {"fedloom", kVersion}};
}

/// The fastest of a few products of the sizes that saturate a core; `steps` and `batch` mean nothing here.
Json best_product(const Arguments& arguments) {
  struct Size {
    std::size_t m, n, k;
  };
  constexpr Size kSizes[] = {{512, 512, 512}, {1024, 1024, 1024}, {2080, 768, 192}, {784, 256, 512}};
  Json best;
  for (const Size& size : kSizes) {
    const FloatBuffer a(size.m * size.k, 0.5F);
    const FloatBuffer b(size.k * size.n, 0.25F);
    FloatBuffer c(size.m * size.n);
    const auto work = [&] {
      gemm({size.m, size.n, size.k, plain(a.data(), size.k), plain(b.data(), size.n), c.data(), size.n});
    };
    timed(work);
    std::vector<double> wall;
    std::vector<double> cpu;
    double spent = 0.0;
    while (spent < kWarmUp / 4.0 * static_cast<double>(arguments.reps)) {
      const Seconds seconds = timed(work);
      wall.push_back(seconds.wall);
      cpu.push_back(seconds.cpu);
      spent += seconds.wall;
    }
    const double flops = 2e-9 * static_cast<double>(size.m * size.n) * static_cast<double>(size.k);
    if (best.empty() || flops / median(cpu) > best["gflops_per_cpu_s"].get<double>())
      best = {{"bench", "train_step"},
              {"model", kProduct},
              {"shape", {size.m, size.n, size.k}},
              {"gflops", flops / median(wall)},
              {"gflops_per_cpu_s", flops / median(cpu)},
              {"fedloom", kVersion}};
  }
  return best;
}

int main_checked(int argc, char** argv) {
  Arguments arguments;
  std::vector<std::string> names = trained_model_names();
  names.emplace_back(kProduct);
  CLI::App app("Speed of local training of one model, as one JSON line.");
  app.add_option("--model", arguments.model, "what to train, or gemm: the best matrix product")
      ->check([&names](const std::string& name) -> std::string {
        if (std::find(names.begin(), names.end(), name) != names.end()) return {};
        return fmt::format("no model '{}'; there are {}", name, fmt::join(names, ", "));
      })
      ->capture_default_str();
  app.add_option("--batch", arguments.batch, "examples of a step")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--steps", arguments.steps, "steps of a repetition")
      ->check(CLI::Range(1, 1 << 30))
      ->capture_default_str();
  app.add_option("--threads", arguments.threads, "clients at once")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--reps", arguments.reps, "repetitions; the median counts")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "train_step: %s (valid: --model %s; --batch, --steps, --threads, --reps N)\n",
                 error.what(), fmt::format("{}", fmt::join(names, " | ")).c_str());
    return 2;
  }
  const Json line = arguments.model == kProduct ? best_product(arguments) : training(arguments);
  std::puts(line.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace fedloom::benchmarks

int main(int argc, char** argv) {
  try {
    return fedloom::benchmarks::main_checked(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "train_step: %s\n", error.what());
    return 1;
  }
}
