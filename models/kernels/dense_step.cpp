// With dx, W is visited in panels of 32 rows, each walked in strips of two vectors: a strip (2 KiB on AVX2)
// is read for dx and stepped while it is in the first cache, so the weights come from memory once and go back
// once. Without dx, blocks of a few rows are stepped along their length, which the processor fetches ahead by
// itself.
#include "models/kernels/dense_step.hpp"

#include <algorithm>

#include "models/kernels/outer_tile.hpp"

namespace fedloom {

namespace {

constexpr std::size_t kPanel = 32;

template <int MaxRows>
struct Panel {
  outer::AllRows<MaxRows, false, true> to_inputs;   // (R, I) = (R, panel) (panel, I)
  outer::AllRows<MaxRows, true, false> to_weights;  // (panel, I) = (panel, R) (R, I)

  template <int Lanes, int Columns>
  FEDLOOM_ALWAYS_INLINE void run(std::size_t column) const {
    to_inputs.template run<Lanes, Columns>(column);
    to_weights.template run<Lanes, Columns>(column);
  }
};

template <int Lanes, int MaxRows>
FEDLOOM_ALWAYS_INLINE void run(const DenseStep& step) {
  const std::size_t R = step.rows;
  const std::size_t I = step.inputs;
  const std::size_t O = step.outputs;
  if (step.dx == nullptr) {
    const outer::Product to_weights{step.dy,  O, step.x, I, R, step.weight, I, outer::Finish::descend,
                                    step.rate};
    const outer::Blocks blocks(O, MaxRows);
    for (std::size_t i = 0; i < blocks.count; ++i)
      outer::for_strips<Lanes, 2>(
          0, I, outer::OneBlock<MaxRows, true>{to_weights, blocks.begin(i), blocks.size(i)});
    return;
  }
  for (std::size_t o = 0; o < O; o += kPanel) {
    const std::size_t height = std::min(kPanel, O - o);
    float* weight = step.weight + o * I;
    const auto so_far = o == 0 ? outer::Finish::store : outer::Finish::continued;
    const outer::Product to_inputs{step.dy + o, O, weight, I, height, step.dx, I, so_far};
    const outer::Product to_weights{step.dy + o, O, step.x, I, R, weight, I, outer::Finish::descend,
                                    step.rate};
    outer::for_strips<Lanes, 2>(0, I,
                                Panel<MaxRows>{{to_inputs, {R, MaxRows}}, {to_weights, {height, MaxRows}}});
  }
}

void run_baseline(const DenseStep& step) { run<4, 4>(step); }

#if defined(__x86_64__)
[[gnu::target("arch=x86-64-v3")]] void run_avx2(const DenseStep& step) { run<8, 6>(step); }
[[gnu::target("arch=x86-64-v4")]] void run_avx512(const DenseStep& step) { run<16, 10>(step); }
#endif

}  // namespace

void dense_step(const DenseStep& step, [[maybe_unused]] InstructionSet set) {
#if defined(__x86_64__)
  switch (set) {
    case InstructionSet::avx512: return run_avx512(step);
    case InstructionSet::avx2: return run_avx2(step);
    case InstructionSet::baseline: break;
  }
#endif
  run_baseline(step);
}

}  // namespace fedloom
