// Folding updates into order-free sums, against reading every byte once and against a plain float mean.
// bytes_per_second counts the updates read, which is what an aggregation has to do at least.
#include <benchmark/benchmark.h>

#include "core/fixed_point.hpp"
#include "core/simd.hpp"

namespace {

using namespace fedloom;

std::vector<FloatBuffer> updates_of(std::int64_t count, std::int64_t floats) {
  std::vector<FloatBuffer> updates;
  for (std::int64_t k = 0; k < count; ++k)
    updates.emplace_back(static_cast<std::size_t>(floats), 0.001F * static_cast<float>(k + 1));
  return updates;
}

void count_bytes(benchmark::State& state) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0) * state.range(1) *
                          4);
}

void fixed_point_fold(benchmark::State& state) {
  const auto updates = updates_of(state.range(0), state.range(1));
  std::vector<WeightedValues> terms;
  for (const FloatBuffer& update : updates) terms.push_back({update.data(), 600});
  FixedPointSum sum(updates.front().size(),
                    choose_scale(1024, 600, 600.0 * static_cast<double>(updates.size()) * 1e6));
  for (auto _ : state) {
    sum.add(terms);
    benchmark::DoNotOptimize(sum.units().data());
  }
  count_bytes(state);
}

FEDLOOM_SIMD_CLONES
std::uint64_t read_all(const float* values, std::size_t count) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += __builtin_bit_cast(std::uint32_t, values[i]);
  return sum;
}

void read_once(benchmark::State& state) {
  const auto updates = updates_of(state.range(0), state.range(1));
  for (auto _ : state) {
    std::uint64_t sum = 0;
    for (const FloatBuffer& update : updates) sum += read_all(update.data(), update.size());
    benchmark::DoNotOptimize(sum);
  }
  count_bytes(state);
}

void check_for_nan(benchmark::State& state) {
  const auto updates = updates_of(state.range(0), state.range(1));
  for (auto _ : state)
    for (const FloatBuffer& update : updates) benchmark::DoNotOptimize(check_values(update));
  count_bytes(state);
}

// 10 and 100 updates of 6.7 MB (McMahan's CNN), 10 of 40 MB.
void sizes(benchmark::internal::Benchmark* bench) {
  bench->Args({10, 1'663'370})->Args({100, 1'663'370})->Args({10, 10'000'000})->Unit(benchmark::kMillisecond);
}

BENCHMARK(fixed_point_fold)->Apply(sizes);
BENCHMARK(read_once)->Apply(sizes);
BENCHMARK(check_for_nan)->Apply(sizes);

}  // namespace

BENCHMARK_MAIN();
