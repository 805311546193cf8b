// The server's step of the strategies for LoRA factors on one core, at the size of a ViT-B/16 whose attn.proj
// (768 x 768) and mlp.fc2 (768 x 3072) carry factors of rank 16 in 12 blocks each, for six clients: from six
// updates to the next model, patches applied. Training is not in it, nor sums, which fold_bench measures.
#include <string>

#include <benchmark/benchmark.h>

#include "algorithms/algorithm.hpp"
#include "core/random.hpp"

namespace {

using namespace fedloom;

constexpr std::int64_t kRank = 16;
constexpr std::uint64_t kClients = 6;

std::shared_ptr<const Layout> vit_layout() {
  Layout::Builder builder;
  const auto add = [&](const std::string& name, std::int64_t outputs, std::int64_t inputs) {
    builder.add(name + ".weight", {outputs, inputs}, Role::frozen);
    builder.add(name + ".lora_A.weight", {kRank, inputs});
    builder.add(name + ".lora_B.weight", {outputs, kRank});
  };
  for (int block = 0; block < 12; ++block) {
    add("blocks." + std::to_string(block) + ".attn.proj", 768, 768);
    add("blocks." + std::to_string(block) + ".mlp.fc2", 768, 3072);
  }
  return builder.build();
}

/// The round as the engine hands it over: sums and kept updates of random factors.
PhaseSum round_of(const Strategy& strategy, const Phase& phase) {
  PhaseSum sum = empty_sum(phase, 1.0, static_cast<double>(kClients), kClients);
  for (ClientId k = 0; k < kClients; ++k) {
    Random random(1, Stream::noise, k);
    Tensor delta = Tensor::zeros({static_cast<std::int64_t>(phase.slots.front().size)});
    for (float& value : delta.data) value = static_cast<float>(random.normal(0.0, 0.05));
    Update update;
    update.id = {k, 1};
    update.examples = 1;
    update.slots.push_back(Payload::from("delta", std::move(delta)));
    const Contribution contribution{&update, 1};
    strategy.fold({&contribution, 1}, sum);
    sum.updates.push_back(std::move(update));
    sum.shares.push_back(1.0 / static_cast<double>(kClients));
  }
  for (auto& [name, slot] : sum.slots) slot.normaliser = static_cast<double>(kClients);
  sum.accepted = kClients;
  return sum;
}

void server_step(benchmark::State& state, const std::string& name, const std::string& settings) {
  const Algorithm algorithm =
      AlgorithmRegistry::instance().find(name, "strategy").make(ConfigNode::from_text(settings, "benchmark"));
  const Strategy& strategy = *algorithm.strategy;
  ServerState start;
  start.model = ParameterVector(vit_layout());
  Random random(1, Stream::init);
  for (float& value : start.model.values()) value = static_cast<float>(random.normal(0.0, 0.05));
  strategy.start(start, {kClients, 1, static_cast<double>(kRank)});
  WindowSums window;
  window.window = 1;
  const Phase phase = *strategy.next_phase(start, window, {});
  window.phases.emplace_back(phase.kind, round_of(strategy, phase));
  for (auto _ : state) {
    state.PauseTiming();
    ServerState server = start;
    state.ResumeTiming();
    (void)strategy.advance(server, window);
    if (strategy.traits().patches_model) {
      const PatchParts patch = strategy.patch(server);
      strategy.apply(patch, server.model);
    }
    benchmark::DoNotOptimize(server.model.values().data());
  }
}

const std::string kQuiet = "aggregation_error: false";

BENCHMARK_CAPTURE(server_step, fedit, "fedit", kQuiet)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(server_step, fedit_measured, "fedit", "{}")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(server_step, lora_fair, "lora_fair", kQuiet)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(server_step, lora_fair_measured, "lora_fair", "{}")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(server_step, lora_fair_columns, "lora_fair",
                  "{aggregation_error: false, cosine: columns, steps: 10}")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(server_step, lora_fair_closed_form, "lora_fair",
                  "{aggregation_error: false, solver: closed_form}")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(server_step, flexlora, "flexlora", kQuiet)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(server_step, flexlora_measured, "flexlora", "{}")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(server_step, fedex_lora, "fedex_lora", kQuiet)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(server_step, fedex_lora_truncated, "fedex_lora", "{aggregation_error: false, truncate: 16}")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(server_step, flora, "flora", kQuiet)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(server_step, fedsvd, "fedsvd", kQuiet)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(server_step, hetlora, "hetlora", kQuiet)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
