// C = A B for a plain B in register tiles. Nothing is packed, so it wins where packing does not pay: weight
// gradients of a mini-batch (k = B), and products of low rank.
#include <algorithm>
#include <cstddef>

#include "models/gemm.hpp"
#include "models/kernels/instruction_set.hpp"
#include "models/kernels/outer_tile.hpp"

namespace fedloom::gemm_backend {

namespace {

template <int MaxRows, bool Transposed>
struct RowBlock {
  const outer::Product& call;
  std::size_t row, rows;

  template <int Lanes, int Columns>
  FEDLOOM_ALWAYS_INLINE void run(std::size_t column) const {
    outer::tile_of<Lanes, MaxRows, Columns, Transposed, false>(call, row, rows, column);
  }
};

template <int Lanes, int MaxRows, int Columns, bool Transposed>
FEDLOOM_ALWAYS_INLINE void run(const GemmCall& call) {
  const outer::Product product{call.a.data,
                               call.a.stride,
                               call.b.data,
                               call.b.stride,
                               call.k,
                               call.c,
                               call.c_stride,
                               call.scale,
                               call.accumulate ? outer::Finish::add : outer::Finish::store};
  const outer::Blocks blocks(call.m, MaxRows);
  // A few blocks of rows share each strip of B while it is in the first cache; with more of them C is the
  // larger matrix, and is written along its rows.
  constexpr std::size_t kStrip = 4 * Columns * Lanes;
  const std::size_t step = blocks.count <= 4 ? kStrip : call.n;
  for (std::size_t column = 0; column < call.n; column += step)
    for (std::size_t i = 0; i < blocks.count; ++i)
      outer::for_strips<Lanes, Columns>(
          column, std::min(call.n, column + step),
          RowBlock<MaxRows, Transposed>{product, blocks.begin(i), blocks.size(i)});
}

template <int Lanes, int MaxRows, int Columns>
FEDLOOM_ALWAYS_INLINE void run_either(const GemmCall& call) {
  if (call.a.transposed)
    run<Lanes, MaxRows, Columns, true>(call);
  else
    run<Lanes, MaxRows, Columns, false>(call);
}

void run_baseline(const GemmCall& call) { run_either<4, 4, 2>(call); }

#if defined(__x86_64__)
[[gnu::target("arch=x86-64-v3")]] void run_avx2(const GemmCall& call) { run_either<8, 6, 2>(call); }
[[gnu::target("arch=x86-64-v4")]] void run_avx512(const GemmCall& call) { run_either<16, 10, 2>(call); }
#endif

}  // namespace

bool outer_fits(const GemmCall& call) { return !call.b.transposed; }

void outer(const GemmCall& call) {
#if defined(__x86_64__)
  switch (instruction_set()) {
    case InstructionSet::avx512: return run_avx512(call);
    case InstructionSet::avx2: return run_avx2(call);
    case InstructionSet::baseline: break;
  }
#endif
  run_baseline(call);
}

}  // namespace fedloom::gemm_backend
