// Which instruction set a hand-written kernel should use here, for kernels whose tiles differ between sets
// (where one source fits all, FEDLOOM_SIMD_CLONES does the choosing).
#pragma once

namespace fedloom {

/// baseline is what the program was compiled for; the others are the levels x86-64-v3 and x86-64-v4. In
/// order: a processor that has one has those before it.
enum class InstructionSet { baseline, avx2, avx512 };

/// The best that this processor has, found once. Kernels take it as their default; tests and benchmarks ask
/// for lesser ones.
InstructionSet instruction_set();

}  // namespace fedloom
