// Numbers and picture of a partition.
#include "datasets/partition_summary.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/partitioned_data.hpp"
#include "datasets/split.hpp"
#include "datasets/synthetic.hpp"
#include "datasets/table_examples.hpp"

namespace fedloom {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

/// Six examples of classes 0 0 0 1 1 2 dealt as {0 1 2}, {3}, {4 5}.
std::shared_ptr<const FederatedData> small() {
  auto store = std::make_shared<TableExamples>(DataSpec{{1}, 3, 0}, FloatBuffer{1, 2, 3, 4, 5, 6},
                                               std::vector<std::int32_t>{0, 0, 0, 1, 1, 2});
  return std::make_shared<PartitionedData>(split_of(store, nullptr), Partition{{0, 1, 2}, {3}, {4, 5}}, 0.0,
                                           1);
}

TEST(PartitionSummary, Counts) {
  const PartitionSummary summary = summarize(*small(), 10);
  EXPECT_EQ(summary.examples, 6U);
  EXPECT_EQ(summary.smallest, 1U);
  EXPECT_EQ(summary.largest, 3U);
  EXPECT_DOUBLE_EQ(summary.median, 2.0);
  EXPECT_THAT(summary.class_totals, ElementsAre(3U, 2U, 1U));
  EXPECT_THAT(summary.shown[2].counts, ElementsAre(0U, 1U, 1U));
  // Mixtures (1 0 0), (0 1 0), (0 .5 .5) against (1/2 1/3 1/6): distances 1/2, 2/3, 1/2.
  EXPECT_NEAR(summary.label_skew, (0.5 + 2.0 / 3.0 + 0.5) / 3.0, 1e-12);
}

// Sizes 1 2 3: 2 (1 + 4 + 9) / (3 * 6) - 4 / 3 = 2 / 9.
TEST(PartitionSummary, Gini) {
  EXPECT_NEAR(gini({3, 1, 2}), 2.0 / 9.0, 1e-12);
  EXPECT_DOUBLE_EQ(gini({5, 5, 5}), 0.0);
  EXPECT_NEAR(gini({0, 0, 0, 8}), 0.75, 1e-12);
  EXPECT_DOUBLE_EQ(gini({}), 0.0);
}

TEST(PartitionSummary, Drawing) {
  const std::string text = draw(summarize(*small(), 10), 80);
  EXPECT_THAT(text, HasSubstr("3 clients, 6 training examples"));
  EXPECT_THAT(text, HasSubstr("min 1, median 2, mean 2.0, max 3"));
  EXPECT_THAT(text, HasSubstr("       0  █··"));
  EXPECT_THAT(text, HasSubstr("       2  ·▄▄"));
  EXPECT_THAT(text, Not(HasSubstr("shown")));
}

TEST(PartitionSummary, ShowsAnEvenSpreadOfALargePopulation) {
  const auto data = make_synthetic({}, 100'000, 0.0, 1);
  const PartitionSummary summary = summarize(*data, 4);
  ASSERT_EQ(summary.shown.size(), 4U);
  EXPECT_EQ(summary.shown[3].client, 75'000U);
  EXPECT_EQ(summary.clients, 100'000U);
  EXPECT_GT(summary.gini, 0.3);
  EXPECT_THAT(draw(summary), HasSubstr("4 of 100000 clients shown"));
}

}  // namespace
}  // namespace fedloom
