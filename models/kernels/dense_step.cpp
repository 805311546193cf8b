// W is visited in panels of 32 rows, each walked in strips of two vectors: a strip (2 KiB on AVX2) is read for dx
// and stepped while it is in the first cache, so the weights come from memory once and go back once.
#include "models/kernels/dense_step.hpp"

#include <algorithm>

#include "models/kernels/instruction_set.hpp"
#include "models/kernels/outer_tile.hpp"

namespace fedloom {

namespace {

constexpr std::size_t kPanel = 32;

template <int MaxRows>
struct Panel {
  outer::Product to_inputs;   // (R, I) = (R, panel) (panel, I)
  outer::Product to_weights;  // (panel, I) = (panel, R) (R, I)
  outer::Blocks batch_blocks;
  outer::Blocks weight_blocks;
  bool wants_inputs;

  template <int Lanes, int Columns>
  FEDLOOM_ALWAYS_INLINE void run(std::size_t column) const {
    if (wants_inputs) {
      for (std::size_t i = 0; i < batch_blocks.count; ++i)
        outer::tile_of<Lanes, MaxRows, Columns, false, true>(to_inputs, batch_blocks.begin(i),
                                                             batch_blocks.size(i), column);
    }
    for (std::size_t i = 0; i < weight_blocks.count; ++i)
      outer::tile_of<Lanes, MaxRows, Columns, true, false>(to_weights, weight_blocks.begin(i),
                                                           weight_blocks.size(i), column);
  }
};

template <int Lanes, int MaxRows>
FEDLOOM_ALWAYS_INLINE void run(const DenseStep& step) {
  const std::size_t R = step.rows;
  const std::size_t I = step.inputs;
  const std::size_t O = step.outputs;
  for (std::size_t o = 0; o < O; o += kPanel) {
    const std::size_t height = std::min(kPanel, O - o);
    float* weight = step.weight + o * I;
    const auto so_far = o == 0 ? outer::Finish::store : outer::Finish::continued;
    outer::for_strips<Lanes, 2>(
        0, I,
        Panel<MaxRows>{{step.dy + o, O, weight, I, height, step.dx, I, 1.0F, so_far},
                       {step.dy + o, O, step.x, I, R, weight, I, -step.rate, outer::Finish::add},
                       {R, MaxRows},
                       {height, MaxRows},
                       step.dx != nullptr});
  }
}

void run_baseline(const DenseStep& step) { run<4, 4>(step); }

#if defined(__x86_64__)
[[gnu::target("arch=x86-64-v3")]] void run_avx2(const DenseStep& step) { run<8, 6>(step); }
[[gnu::target("arch=x86-64-v4")]] void run_avx512(const DenseStep& step) { run<16, 10>(step); }
#endif

}  // namespace

void dense_step(const DenseStep& step) {
#if defined(__x86_64__)
  switch (instruction_set()) {
    case InstructionSet::avx512: return run_avx512(step);
    case InstructionSet::avx2: return run_avx2(step);
    case InstructionSet::baseline: break;
  }
#endif
  run_baseline(step);
}

}  // namespace fedloom
