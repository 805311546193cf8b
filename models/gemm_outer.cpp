// C = A B for a plain B in register tiles. Nothing is packed, so it wins where packing does not pay: input
// and weight gradients of a mini-batch (m or k is the batch) and products of low rank.
#include <algorithm>
#include <cstddef>

#include "models/gemm.hpp"
#include "models/kernels/outer_tile.hpp"

namespace fedloom::gemm_backend {

namespace {

// Rows of B that a walk along a strip touches: few enough that their pages stay known to the processor.
constexpr std::size_t kPanel = 64;

template <int Lanes, int MaxRows, bool Transposed>
FEDLOOM_ALWAYS_INLINE void run(const GemmCall& call) {
  constexpr int kColumns = 2;
  const outer::Blocks blocks(call.m, MaxRows);
  for (std::size_t p = 0; p < call.k; p += kPanel) {
    const outer::Product product{call.a.data + p * (Transposed ? call.a.stride : 1),
                                 call.a.stride,
                                 call.b.data + p * call.b.stride,
                                 call.b.stride,
                                 std::min(kPanel, call.k - p),
                                 call.c,
                                 call.c_stride,
                                 p > 0 || call.accumulate ? outer::Finish::continued : outer::Finish::store};
    if (call.m <= kShortBatch) {
      outer::for_strips<Lanes, kColumns>(0, call.n,
                                         outer::AllRows<MaxRows, Transposed, true>{product, blocks});
    } else {
      for (std::size_t i = 0; i < blocks.count; ++i)
        outer::for_strips<Lanes, kColumns>(
            0, call.n, outer::OneBlock<MaxRows, Transposed>{product, blocks.begin(i), blocks.size(i)});
    }
  }
}

template <int Lanes, int MaxRows>
FEDLOOM_ALWAYS_INLINE void run_either(const GemmCall& call) {
  if (call.a.transposed)
    run<Lanes, MaxRows, true>(call);
  else
    run<Lanes, MaxRows, false>(call);
}

void run_baseline(const GemmCall& call) { run_either<4, 4>(call); }

#if defined(__x86_64__)
[[gnu::target("arch=x86-64-v3")]] void run_avx2(const GemmCall& call) { run_either<8, 6>(call); }
[[gnu::target("arch=x86-64-v4")]] void run_avx512(const GemmCall& call) { run_either<16, 10>(call); }
#endif

}  // namespace

bool outer_fits(const GemmCall& call) { return !call.b.transposed; }

void outer(const GemmCall& call, [[maybe_unused]] InstructionSet set) {
#if defined(__x86_64__)
  switch (set) {
    case InstructionSet::avx512: return run_avx512(call);
    case InstructionSet::avx2: return run_avx2(call);
    case InstructionSet::baseline: break;
  }
#endif
  run_baseline(call);
}

void outer(const GemmCall& call) { outer(call, instruction_set()); }

}  // namespace fedloom::gemm_backend
