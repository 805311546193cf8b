// The fold kernels. Blocks of accumulators stay in cache while all terms pass over them, so memory is read
// once per update; what limits them is reading the updates.
#include "core/fixed_point.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "core/simd.hpp"

namespace fedloom {

namespace {

constexpr std::size_t kBlock = 2048;  // 16 kB of accumulators

// Adding 1.5 * 2^52 to a double of magnitude below 2^51 leaves its nearest integer (ties to even) in the
// low mantissa bits; that vectorises on every instruction set, unlike a conversion to 64-bit integers.
constexpr double kMagic = 6755399441055744.0;
constexpr int kTermBits = 51;   // a single term, in units, stays below 2^51 for the trick above
constexpr int kTotalBits = 62;  // a total stays below 2^62, so that nothing near the sign bit is reached

inline std::int64_t round_to_units(float value, double factor) {
  const double shifted = static_cast<double>(value) * factor + kMagic;
  return __builtin_bit_cast(std::int64_t, shifted) - __builtin_bit_cast(std::int64_t, kMagic);
}

FEDLOOM_SIMD_CLONES
void add_block(std::int64_t* units, const float* values, double factor, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) units[i] += round_to_units(values[i], factor);
}

// Four terms per pass over the accumulators: the sum is the same bits, the traffic a quarter.
FEDLOOM_SIMD_CLONES
void add_block4(std::int64_t* units, const float* const values[4], const double factors[4], std::size_t begin,
                std::size_t count) {
  const float* v0 = values[0] + begin;
  const float* v1 = values[1] + begin;
  const float* v2 = values[2] + begin;
  const float* v3 = values[3] + begin;
  const double f0 = factors[0];
  const double f1 = factors[1];
  const double f2 = factors[2];
  const double f3 = factors[3];
  for (std::size_t i = 0; i < count; ++i)
    units[i] += round_to_units(v0[i], f0) + round_to_units(v1[i], f1) + round_to_units(v2[i], f2) +
                round_to_units(v3[i], f3);
}

FEDLOOM_SIMD_CLONES
void merge_block(std::int64_t* units, const std::int64_t* other, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) units[i] += other[i];
}

FEDLOOM_SIMD_CLONES
std::uint32_t largest_bits(const float* values, std::size_t count) {
  // With the sign cleared, float order is integer order, and infinities and NaNs come out on top.
  std::uint32_t largest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, values[i]) & 0x7fffffffU;
    largest = bits > largest ? bits : largest;
  }
  return largest;
}

}  // namespace

FixedPointScale choose_scale(double range, double largest_weight, double total_weight) {
  FEDLOOM_CHECK(range > 0 && largest_weight > 0 && total_weight >= largest_weight &&
                    std::isfinite(range * total_weight),
                "range {}, largest weight {}, total weight {}", range, largest_weight, total_weight);
  const int for_terms = kTermBits - 1 - std::ilogb(range * largest_weight);
  const int for_total = kTotalBits - 1 - std::ilogb(range * total_weight);
  return {std::min(for_terms, for_total), range};
}

ValueCheck check_values(std::span<const float> values) {
  const std::uint32_t bits = largest_bits(values.data(), values.size());
  const bool finite = bits < 0x7f800000U;
  return {finite, finite ? __builtin_bit_cast(float, bits) : std::numeric_limits<float>::infinity()};
}

void FixedPointSum::add(std::span<const WeightedValues> terms) {
  const auto factor = [&](const WeightedValues& term) {
    return std::ldexp(static_cast<double>(term.weight), scale_.exponent);
  };
  for (std::size_t begin = 0; begin < units_.size(); begin += kBlock) {
    const std::size_t count = std::min(kBlock, units_.size() - begin);
    std::int64_t* block = units_.data() + begin;
    std::size_t t = 0;
    for (; t + 4 <= terms.size(); t += 4) {
      const float* const values[4] = {terms[t].values, terms[t + 1].values, terms[t + 2].values,
                                      terms[t + 3].values};
      const double factors[4] = {factor(terms[t]), factor(terms[t + 1]), factor(terms[t + 2]),
                                 factor(terms[t + 3])};
      add_block4(block, values, factors, begin, count);
    }
    for (; t < terms.size(); ++t) add_block(block, terms[t].values + begin, factor(terms[t]), count);
  }
}

void FixedPointSum::add(std::span<const float> values, std::uint64_t weight) {
  FEDLOOM_CHECK(values.size() == units_.size(), "{} values into a sum of {}", values.size(), units_.size());
  const WeightedValues term{values.data(), weight};
  add({&term, 1});
}

void FixedPointSum::merge(const FixedPointSum& other) {
  FEDLOOM_CHECK(other.scale_.exponent == scale_.exponent, "scales 2^-{} and 2^-{}", other.scale_.exponent,
                scale_.exponent);
  merge(other.units());
}

void FixedPointSum::merge(std::span<const std::int64_t> units) {
  FEDLOOM_CHECK(units.size() == units_.size(), "{} units into a sum of {}", units.size(), units_.size());
  merge_block(units_.data(), units.data(), units.size());
}

}  // namespace fedloom
