// Order-free sums. Each term weight * value is rounded once to a multiple of 2^-exponent and added as a
// 64-bit integer: addition is then associative and commutative to the bit, so any number of workers, any
// arrival order and any tree of partial sums give the same total. The error is at most half a unit per
// term. Range is checked before a term is added; nothing ever wraps.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "core/tensor.hpp"

namespace fedloom {

/// The scale of one sum, chosen when a window opens.
struct FixedPointScale {
  int exponent = 0;    // one unit is 2^-exponent
  double range = 0.0;  // largest |value| a contribution may hold

  template <class Archive>
  void serialize(Archive& archive) {
    archive(exponent, range);
  }
};

/// The finest scale at which values within `range` (> 0) cannot overflow: a single term, with a weight of at
/// most `largest_weight`, stays below 2^51 units, and terms whose weights add up to at most `total_weight`
/// below 2^62.
FixedPointScale choose_scale(double range, double largest_weight, double total_weight);

/// What a contribution is checked for before it is folded.
struct ValueCheck {
  bool finite = true;
  float largest = 0.0F;  // largest |value|; meaningless when not finite
};
ValueCheck check_values(std::span<const float> values);

/// One contribution to a sum: `weight` is a non-negative integer numerator below 2^53.
struct WeightedValues {
  const float* values;
  std::uint64_t weight;
};

/// Integer accumulators of one slot.
class FixedPointSum {
 public:
  FixedPointSum() = default;
  FixedPointSum(std::size_t size, FixedPointScale scale)
      : scale_(scale), unit_(std::ldexp(1.0, -scale.exponent)), units_(size, 0) {}

  std::size_t size() const { return units_.size(); }
  const FixedPointScale& scale() const { return scale_; }
  /// Adds weight * values of every term (each `size()` floats, checked by the caller against the range).
  void add(std::span<const WeightedValues> terms);
  void add(std::span<const float> values, std::uint64_t weight);
  /// Adds another sum of the same size and scale.
  void merge(const FixedPointSum& other);
  void merge(std::span<const std::int64_t> units);
  /// The total of element i as a real number.
  double value(std::size_t i) const { return static_cast<double>(units_[i]) * unit_; }
  std::span<const std::int64_t> units() const { return units_; }
  std::span<std::int64_t> units() { return units_; }

 private:
  FixedPointScale scale_;
  double unit_ = 1.0;  // 2^-exponent: what one unit is worth
  std::vector<std::int64_t, AlignedAllocator<std::int64_t>> units_;
};

}  // namespace fedloom
