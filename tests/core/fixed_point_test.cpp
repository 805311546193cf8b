// The promise of order-free sums: any order, any grouping, the same bits; half a unit per term; no overflow.
#include "core/fixed_point.hpp"

#include <cmath>
#include <limits>
#include <numeric>

#include <gtest/gtest.h>

#include "core/random.hpp"

namespace fedloom {
namespace {

std::vector<FloatBuffer> random_updates(std::size_t count, std::size_t size, double spread) {
  Random random(7, Stream::noise);
  std::vector<FloatBuffer> updates(count, FloatBuffer(size));
  for (FloatBuffer& update : updates)
    for (float& value : update)
      value = static_cast<float>(random.normal() * spread * std::exp(random.normal()));
  return updates;
}

TEST(FixedPoint, AnyOrderAndAnyGroupingGiveTheSameBits) {
  constexpr std::size_t kCount = 23;
  constexpr std::size_t kSize = 5003;  // neither a multiple of the block nor of a vector
  const auto updates = random_updates(kCount, kSize, 0.1);
  std::vector<std::uint64_t> weights(kCount);
  Random random(1, Stream::sampling);
  std::uint64_t total = 0;
  for (auto& weight : weights) total += weight = 1 + random.below(5000);
  const FixedPointScale scale = choose_scale(1024, 5000, static_cast<double>(total));

  FixedPointSum reference(kSize, scale);
  for (std::size_t k = 0; k < kCount; ++k) reference.add(updates[k], weights[k]);

  for (std::uint64_t trial = 0; trial < 20; ++trial) {
    Random shuffle(trial, Stream::sampling);
    std::vector<std::size_t> order(kCount);
    std::iota(order.begin(), order.end(), 0U);
    shuffle.shuffle(std::span(order));
    // A random tree: split the order over up to eight partial sums, then merge them.
    const std::size_t parts = 1 + shuffle.below(8);
    std::vector<std::vector<WeightedValues>> groups(parts);
    for (const std::size_t k : order) groups[shuffle.below(parts)].push_back({updates[k].data(), weights[k]});
    FixedPointSum sum(kSize, scale);
    for (const auto& group : groups) {
      FixedPointSum partial(kSize, scale);
      partial.add(group);
      sum.merge(partial);
    }
    ASSERT_TRUE(std::equal(sum.units().begin(), sum.units().end(), reference.units().begin()));
  }
}

TEST(FixedPoint, ErrorIsAtMostHalfAUnitPerTerm) {
  constexpr std::size_t kCount = 50;
  constexpr std::size_t kSize = 300;
  const auto updates = random_updates(kCount, kSize, 1.0);
  const FixedPointScale scale = choose_scale(1024, 600, 600.0 * kCount);
  FixedPointSum sum(kSize, scale);
  for (const FloatBuffer& update : updates) sum.add(update, 600);
  for (std::size_t i = 0; i < kSize; ++i) {
    long double exact = 0;
    for (const FloatBuffer& update : updates) exact += 600.0L * static_cast<long double>(update[i]);
    // value() rounds once more to double: allow that ulp.
    const double allowed =
        kCount * 0.5 * std::ldexp(1.0, -scale.exponent) + std::abs(static_cast<double>(exact)) * 1e-15;
    EXPECT_NEAR(sum.value(i), static_cast<double>(exact), allowed);
  }
}

TEST(FixedPoint, ExtremesOfTheRangeDoNotWrap) {
  // The worst case the scale allows: every value at the range, every weight at the largest.
  const FixedPointScale scale = choose_scale(1024, 1000, 1000.0 * 4096);
  FixedPointSum sum(3, scale);
  const FloatBuffer high(3, 1024.0F);
  for (int k = 0; k < 4096; ++k) sum.add(high, 1000);
  EXPECT_EQ(sum.value(0), 1024.0 * 1000 * 4096);
  const FloatBuffer low(3, -1024.0F);
  for (int k = 0; k < 8192; ++k) sum.add(low, 1000);
  EXPECT_EQ(sum.value(2), -1024.0 * 1000 * 4096);
}

TEST(FixedPoint, RoundsTermsToTheNearestUnitTiesToEven) {
  // exponent 1: units of one half. 0.25 and 0.75 are ties: 0.5 unit -> 0, 1.5 units -> 2.
  FixedPointSum sum(3, {1, 8.0});
  sum.add(FloatBuffer{0.25F, 0.75F, 0.3F}, 1);
  EXPECT_EQ(sum.units()[0], 0);
  EXPECT_EQ(sum.units()[1], 2);
  EXPECT_EQ(sum.units()[2], 1);
}

TEST(FixedPoint, FourAtATimeEqualsOneAtATime) {
  const auto updates = random_updates(7, 4099, 3.0);
  const FixedPointScale scale = choose_scale(4096, 3, 21);
  FixedPointSum one(4099, scale);
  FixedPointSum many(4099, scale);
  std::vector<WeightedValues> terms;
  for (const FloatBuffer& update : updates) {
    one.add(update, 3);
    terms.push_back({update.data(), 3});
  }
  many.add(terms);
  EXPECT_TRUE(std::equal(one.units().begin(), one.units().end(), many.units().begin()));
}

TEST(FixedPoint, CheckSeesNanInfinityAndTheLargest) {
  FloatBuffer values(1000, 0.5F);
  values[999] = -3.0F;
  EXPECT_TRUE(check_values(values).finite);
  EXPECT_EQ(check_values(values).largest, 3.0F);
  values[17] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(check_values(values).finite);
  values[17] = -std::numeric_limits<float>::infinity();
  EXPECT_FALSE(check_values(values).finite);
  EXPECT_TRUE(check_values({}).finite);
}

}  // namespace
}  // namespace fedloom
