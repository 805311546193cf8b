// Known answers of the generator, and moments of the distributions on fixed keys.
#include "core/random.hpp"

#include <cmath>
#include <numeric>
#include <set>

#include <gtest/gtest.h>

namespace fedloom {
namespace {

TEST(Random, PhiloxKnownAnswers) {
  // vector philox4x32_10; the first three are the published Random123 known-answer tests.
  using Block = std::array<std::uint32_t, 4>;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
  EXPECT_EQ(philox4x32({1, 2, 3, 4}, {5, 6}), (Block{0xc0c839bc, 0x889c87c5, 0x61986739, 0x2d4623d0}));
}

TEST(Random, KeysSeparateSequencesAndRepeat) {
  Random a(1, Stream::init, 2, 3);
  Random same(1, Stream::init, 2, 3);
  EXPECT_EQ(a.next64(), same.next64());
  std::set<std::uint64_t> firsts;
  firsts.insert(Random(1, Stream::init, 2, 3).next64());
  firsts.insert(Random(2, Stream::init, 2, 3).next64());
  firsts.insert(Random(1, Stream::noise, 2, 3).next64());
  firsts.insert(Random(1, Stream::init, 3, 3).next64());
  firsts.insert(Random(1, Stream::init, 2, 4).next64());
  firsts.insert(Random(1ULL << 32 | 1, Stream::init, 2, 3).next64());
  firsts.insert(Random(1, Stream::init, 1ULL << 32 | 2, 3).next64());
  EXPECT_EQ(firsts.size(), 7U);
}

TEST(Random, MomentsOfDistributions) {
  // 200,000 draws: the standard error of a mean is sd / 447; five of those is the allowance.
  constexpr int kDraws = 200'000;
  const auto moments = [](auto draw) {
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < kDraws; ++i) {
      const double x = draw();
      sum += x;
      squares += x * x;
    }
    const double mean = sum / kDraws;
    return std::pair{mean, squares / kDraws - mean * mean};
  };
  Random random(11, Stream::noise);
  const auto [uniform_mean, uniform_variance] = moments([&] { return random.uniform(); });
  EXPECT_NEAR(uniform_mean, 0.5, 5 * 0.2887 / 447);
  EXPECT_NEAR(uniform_variance, 1.0 / 12, 0.002);
  const auto [normal_mean, normal_variance] = moments([&] { return random.normal(); });
  EXPECT_NEAR(normal_mean, 0.0, 5.0 / 447);
  EXPECT_NEAR(normal_variance, 1.0, 0.02);
  for (const double shape : {0.1, 0.5, 1.0, 4.5}) {
    const auto [mean, variance] = moments([&] { return random.gamma(shape); });
    EXPECT_NEAR(mean, shape, 5 * std::sqrt(shape) / 447) << shape;
    EXPECT_NEAR(variance, shape, 0.06 * shape + 0.01) << shape;
  }
  const auto [exponential_mean, exponential_variance] = moments([&] { return random.exponential(2.0); });
  EXPECT_NEAR(exponential_mean, 2.0, 5 * 2.0 / 447);
  EXPECT_NEAR(exponential_variance, 4.0, 0.2);
}

TEST(Random, BelowIsUnbiasedAndInRange) {
  Random random(3, Stream::sampling);
  std::array<int, 7> counts{};
  for (int i = 0; i < 70'000; ++i) ++counts.at(random.below(7));
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 500);  // sd 93
}

TEST(Random, DirichletSumsToOneAndSurvivesTinyConcentrations) {
  Random random(5, Stream::partition);
  for (const double concentration : {1e-8, 0.01, 0.5, 100.0}) {
    const std::vector<double> shares = random.dirichlet(10, concentration);
    EXPECT_NEAR(std::accumulate(shares.begin(), shares.end(), 0.0), 1.0, 1e-12);
    for (const double share : shares) EXPECT_GE(share, 0.0);
  }
}

TEST(Random, ChooseIsASortedUniformSubset) {
  Random random(9, Stream::sampling);
  std::array<int, 10> counts{};
  for (int i = 0; i < 10'000; ++i) {
    const auto chosen = random.choose(10, 3);
    ASSERT_EQ(chosen.size(), 3U);
    EXPECT_LT(chosen[0], chosen[1]);
    EXPECT_LT(chosen[1], chosen[2]);
    for (const auto c : chosen) ++counts.at(c);
  }
  for (const int count : counts) EXPECT_NEAR(count, 3000, 250);  // sd 46
  EXPECT_EQ(random.choose(4, 4), (std::vector<std::uint64_t>{0, 1, 2, 3}));
  EXPECT_TRUE(random.choose(1'000'000'000'000, 0).empty());
}

TEST(Random, ShuffleIsAPermutation) {
  Random random(1, Stream::data_order);
  std::vector<int> items(100);
  std::iota(items.begin(), items.end(), 0);
  random.shuffle(std::span(items));
  EXPECT_FALSE(std::is_sorted(items.begin(), items.end()));
  std::sort(items.begin(), items.end());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(items[static_cast<std::size_t>(i)], i);
}

}  // namespace
}  // namespace fedloom
