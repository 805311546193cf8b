// The cut rules against published numbers and by hand. Names in braces are ids of the reference vectors.
#include "datasets/partition_rules.hpp"

#include <cmath>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fedloom {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;

TEST(PartitionRules, EvenSizesGiveTheFirstOnesMore) {
  EXPECT_THAT(even_sizes(11, 4), ElementsAre(3U, 3U, 3U, 2U));
  EXPECT_THAT(even_sizes(2, 4), ElementsAre(1U, 1U, 0U, 0U));
}

// {shards}: 16 examples sorted by label, 2 clients with 2 shards each, permutation 3 0 2 1.
TEST(PartitionRules, DealsShards) {
  std::vector<std::uint32_t> sorted(16);
  std::iota(sorted.begin(), sorted.end(), 0U);
  const std::vector<std::uint64_t> permutation{3, 0, 2, 1};
  EXPECT_THAT(deal_shards(sorted, 2, permutation),
              ElementsAre(ElementsAre(12U, 13U, 14U, 15U, 0U, 1U, 2U, 3U),
                          ElementsAre(8U, 9U, 10U, 11U, 4U, 5U, 6U, 7U)));
  sorted.resize(15);  // shards of 3; the last three examples fill none
  EXPECT_THAT(deal_shards(sorted, 2, permutation)[0], ElementsAre(9U, 10U, 11U, 0U, 1U, 2U));
}

// {quantity_skew_flower}: 100 examples, 4 clients.
TEST(PartitionRules, WeightedSizesLeaveTheRemainderToOne) {
  EXPECT_THAT(weighted_sizes(100, std::vector<double>{1, 2, 3, 4}, 3), ElementsAre(10U, 20U, 30U, 40U));
  EXPECT_THAT(weighted_sizes(100, std::vector<double>{1, 4, 9, 16}, 3), ElementsAre(3U, 13U, 30U, 54U));
  std::vector<double> exponential;
  for (int i = 1; i <= 4; ++i) exponential.push_back(std::exp(i));
  EXPECT_THAT(weighted_sizes(100, exponential, 3), ElementsAre(3U, 8U, 23U, 66U));
}

// floor(cumsum([.25 .5 .125 .125]) * 10) = 2 7 8: pieces of 2, 5, 1 and the rest.
TEST(PartitionRules, ProportionalCutFloorsTheCumulativeSum) {
  EXPECT_THAT(proportional_cut(10, std::vector<double>{0.25, 0.5, 0.125, 0.125}),
              ElementsAre(2U, 5U, 1U, 2U));
  EXPECT_THAT(proportional_cut(10, std::vector<double>{0, 0, 1}), ElementsAre(0U, 0U, 10U));
  EXPECT_THAT(proportional_cut(0, std::vector<double>{0.5, 0.5}), ElementsAre(0U, 0U));
}

// Clients 1 and 3 have 5 >= cap 4: their .2 and .4 go, the rest is divided by .1 + .3.
TEST(PartitionRules, CapStrikesFullClients) {
  std::vector<double> proportions{0.1, 0.2, 0.3, 0.4};
  cap_proportions(proportions, std::vector<std::size_t>{0, 5, 3, 5}, 4.0);
  EXPECT_THAT(proportions, ElementsAre(DoubleEq(0.25), 0.0, DoubleEq(0.75), 0.0));
}

TEST(PartitionRules, CapSurvivesUnderflowAndFullClients) {
  std::vector<double> proportions{0.0, 0.0, 1.0};
  cap_proportions(proportions, std::vector<std::size_t>{0, 0, 9}, 4.0);
  EXPECT_THAT(proportions, ElementsAre(0.5, 0.5, 0.0));
  cap_proportions(proportions, std::vector<std::size_t>{9, 9, 9}, 4.0);
  EXPECT_NEAR(proportions[0] + proportions[1] + proportions[2], 1.0, 1e-12);
}

// {fedprox_mnist_label_pair}: users 0, 9, 10, 999.
TEST(PartitionRules, ConsecutiveClasses) {
  EXPECT_THAT(consecutive_classes(0, 2, 10), ElementsAre(0, 1));
  EXPECT_THAT(consecutive_classes(9, 2, 10), ElementsAre(9, 0));
  EXPECT_THAT(consecutive_classes(10, 2, 10), ElementsAre(0, 1));
  EXPECT_THAT(consecutive_classes(999, 2, 10), ElementsAre(9, 0));
}

// Class 0 has holders 0 and 2 (pieces of 2 and 1), class 1 holder 0, class 2 none.
TEST(PartitionRules, DealsClassesInTheOrderOfClients) {
  EXPECT_THAT(deal_classes({{0, 1}, {}, {0}}, {{5, 6, 7}, {8}, {9}}),
              ElementsAre(ElementsAre(5U, 6U, 8U), ElementsAre(), ElementsAre(7U)));
}

}  // namespace
}  // namespace fedloom
