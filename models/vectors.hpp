// Vectors of the compiler's own (GNU vector extension) for kernels that must say how lanes move or in which
// order sums run. One source serves every machine, Arm included; FEDLOOM_SIMD_CLONES compiles it for wide
// registers.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "core/simd.hpp"  // IWYU pragma: export

#define FEDLOOM_ALWAYS_INLINE [[gnu::always_inline]] inline

// Vectors are passed between inlined functions only, so how a call would pass them does not matter.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace fedloom::simd {

// The attribute is lost in an alias template (GCC), so it sits on a member.
template <int Lanes>
struct VectorOf {
  typedef float Floats __attribute__((vector_size(Lanes * 4)));       // NOLINT: attributes need typedef
  typedef std::int32_t Ints __attribute__((vector_size(Lanes * 4)));  // NOLINT
};

/// `Lanes` values side by side; wider than the machine's registers is fine (the compiler splits it).
template <int Lanes>
using Floats = typename VectorOf<Lanes>::Floats;
template <int Lanes>
using Ints = typename VectorOf<Lanes>::Ints;

/// Unaligned load and store.
template <class Vector, class T>
FEDLOOM_ALWAYS_INLINE Vector load(const T* from) {
  Vector value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <class Vector, class T>
FEDLOOM_ALWAYS_INLINE void store(T* to, const Vector& value) {
  std::memcpy(to, &value, sizeof value);
}

/// Keeps the lanes whose mask is -1 and zeroes those whose mask is 0, whatever they hold (NaN too).
template <int Lanes>
FEDLOOM_ALWAYS_INLINE Floats<Lanes> keep(const Floats<Lanes>& value, const Ints<Lanes>& mask) {
  Ints<Lanes> bits;
  std::memcpy(&bits, &value, sizeof bits);
  bits &= mask;
  Floats<Lanes> kept;
  std::memcpy(&kept, &bits, sizeof kept);
  return kept;
}

/// -1 in the lanes whose number is in [first, last), 0 elsewhere; the bounds may lie outside the vector.
template <int Lanes>
FEDLOOM_ALWAYS_INLINE Ints<Lanes> lanes_between(std::int64_t first, std::int64_t last) {
  // A window on zeros followed by ones, read `bound` lanes before the ones, marks the lanes from `bound` on.
  static constexpr auto kStep = [] {
    std::array<std::int32_t, 2 * Lanes> step{};
    for (std::size_t i = Lanes; i < step.size(); ++i) step[i] = -1;
    return step;
  }();
  const auto from = [](std::int64_t bound) {
    return kStep.data() + Lanes - std::clamp<std::int64_t>(bound, 0, Lanes);
  };
  return load<Ints<Lanes>>(from(first)) & ~load<Ints<Lanes>>(from(last));
}

}  // namespace fedloom::simd
