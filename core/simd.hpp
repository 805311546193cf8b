// One source, several instruction sets: GCC compiles the function once for each and the loader picks at
// start-up, so a binary built for the baseline runs well on AVX2 and AVX-512. Elsewhere (clang,
// sanitizers, other processors) the function is compiled once, plainly.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(FEDLOOM_SANITIZED)
#define FEDLOOM_SIMD_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FEDLOOM_SIMD_CLONES
#endif
