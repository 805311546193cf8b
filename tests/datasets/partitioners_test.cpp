// What each scheme promises about its clients, and its errors. General promises are in the conformance suite.
#include <algorithm>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/partition_summary.hpp"
#include "datasets/partitioner.hpp"
#include "tests/datasets/sample_files.hpp"

namespace fedloom {
namespace {

using samples::error_of;
using samples::Folder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// `per_class` examples of each class, labels going round.
struct World {
  std::int64_t classes;
  std::vector<std::int32_t> labels;
  std::vector<std::uint32_t> groups;
  std::vector<std::uint32_t> examples;

  World(std::int64_t class_count, std::size_t per_class) : classes(class_count) {
    for (std::size_t i = 0; i < per_class * static_cast<std::size_t>(class_count); ++i) {
      labels.push_back(static_cast<std::int32_t>(i % static_cast<std::size_t>(class_count)));
      examples.push_back(static_cast<std::uint32_t>(i));
    }
  }
  Partition split(const std::string& name, std::size_t clients, const std::string& settings = "",
                  std::uint64_t seed = 1) const {
    const ConfigNode node = settings.empty() ? ConfigNode() : ConfigNode::from_text(settings, "exp.yaml");
    const auto partitioner = PartitionerRegistry::instance().find(name, "partitioner").make(node);
    const PartitionInput input{labels, classes, groups, examples, labels.size(), clients};
    Random random(seed, Stream::partition);
    return partitioner->split(input, random);
  }
  std::set<std::int32_t> classes_of(const std::vector<std::uint32_t>& mine) const {
    std::set<std::int32_t> found;
    for (const std::uint32_t i : mine) found.insert(labels[i]);
    return found;
  }
  /// Mean total-variation distance between clients and the (even) whole.
  double skew(const Partition& partition) const {
    double sum = 0.0;
    for (const auto& mine : partition) {
      std::vector<double> share(static_cast<std::size_t>(classes), 0.0);
      for (const std::uint32_t i : mine)
        share[static_cast<std::size_t>(labels[i])] += 1.0 / static_cast<double>(mine.size());
      for (const double s : share) sum += std::abs(s - 1.0 / static_cast<double>(classes)) / 2.0;
    }
    return sum / static_cast<double>(partition.size());
  }
};

std::vector<std::uint64_t> sizes(const Partition& partition) {
  std::vector<std::uint64_t> all;
  for (const auto& mine : partition) all.push_back(mine.size());
  return all;
}

TEST(Iid, EvenSizesAndMixtures) {
  const World world(10, 600);
  const Partition partition = world.split("iid", 7);
  EXPECT_THAT(sizes(partition), ElementsAre(858, 857, 857, 857, 857, 857, 857));
  EXPECT_LT(world.skew(partition), 0.06);  // a multinomial of 857 over 10 classes: about .04
}

TEST(Shards, FewClassesEach) {
  const World world(10, 600);
  const Partition partition = world.split("shards", 100);
  for (const auto& mine : partition) {
    EXPECT_EQ(mine.size(), 60U);
    // A shard of 30 lies within one class of 600.
    EXPECT_LE(world.classes_of(mine).size(), 2U);
  }
  EXPECT_THAT(error_of([&] { world.split("shards", 100, "shards_per_client: 61"); }),
              HasSubstr("need 6100 examples"));
}

TEST(Dirichlet, MinimumSizeHolds) {
  const World world(10, 1000);
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const auto all = sizes(world.split("dirichlet", 20, "{beta: 0.1, min_size: 30}", seed));
    EXPECT_GE(*std::min_element(all.begin(), all.end()), 30U);
  }
}

TEST(Dirichlet, BetaRunsFromOneClassToIid) {
  const World world(10, 1000);
  const double hard = world.skew(world.split("dirichlet", 20, "{beta: 0.05, min_size: 1}"));
  const double usual = world.skew(world.split("dirichlet", 20, "beta: 0.5"));
  const double even = world.skew(world.split("dirichlet", 20, "beta: 10000"));
  EXPECT_GT(hard, 0.6);
  EXPECT_GT(usual, 0.25);
  EXPECT_LT(usual, hard);
  EXPECT_LT(even, 0.05);
}

TEST(Dirichlet, BalanceCapsTheSizes) {
  const World world(10, 1000);
  const auto capped = gini(sizes(world.split("dirichlet", 20, "{beta: 0.3, min_size: 1}")));
  const auto plain = gini(sizes(world.split("dirichlet", 20, "{beta: 0.3, min_size: 1, balance: false}")));
  EXPECT_LT(capped, plain);
}

TEST(Dirichlet, GivesUpWithAdvice) {
  const World world(10, 100);
  EXPECT_THAT(
      error_of([&] { world.split("dirichlet", 90, "{beta: 0.001, min_size: 10, max_attempts: 20}"); }),
      HasSubstr("in 20 draws of Dir(0.001) over 90 clients"));
  EXPECT_THAT(error_of([&] { world.split("dirichlet", 101); }),
              HasSubstr("101 clients with 10 examples each"));
}

TEST(DirichletClient, EqualQuotasWithoutReplacement) {
  const World world(10, 100);
  const Partition partition = world.split("dirichlet_client", 30, "alpha: 0.1");
  for (const auto& mine : partition) EXPECT_EQ(mine.size(), 33U);
  EXPECT_GT(world.skew(partition), 0.4);
  EXPECT_LT(world.skew(world.split("dirichlet_client", 10, "alpha: 100000")), 0.15);
}

TEST(Pathological, ExactlyKClasses) {
  const World world(10, 300);
  for (const char* choice : {"first_in_turn", "in_turn", "random"}) {
    const Partition partition =
        world.split("pathological", 40, fmt::format("{{classes_per_client: 3, choice: {}}}", choice));
    for (std::size_t k = 0; k < partition.size(); ++k) {
      const auto held = world.classes_of(partition[k]);
      EXPECT_EQ(held.size(), 3U) << choice;
      EXPECT_TRUE(std::string(choice) == "random" || held.contains(static_cast<std::int32_t>(k % 10)))
          << choice;
    }
  }
  EXPECT_THAT(world.classes_of(world.split("pathological", 10, "choice: in_turn")[9]), ElementsAre(0, 9));
  EXPECT_THAT(error_of([&] { world.split("pathological", 10, "classes_per_client: 11"); }),
              HasSubstr("has 10 classes"));
}

TEST(Pathological, UnheldClassesAreLeftOut) {
  const World world(10, 30);
  const Partition partition = world.split("pathological", 2, "choice: in_turn");
  EXPECT_THAT(sizes(partition), ElementsAre(45, 45));  // class 1 is shared: 30 + 15 each
}

TEST(QuantitySkew, SizesFollowTheirLaw) {
  const World world(4, 25);
  EXPECT_THAT(sizes(world.split("quantity_skew", 4, "sizes: linear")), ElementsAre(10, 20, 30, 40));
  EXPECT_THAT(sizes(world.split("quantity_skew", 4, "sizes: square")), ElementsAre(3, 13, 30, 54));
  EXPECT_THAT(sizes(world.split("quantity_skew", 4, "sizes: exponential")), ElementsAre(3, 8, 23, 66));
  EXPECT_THAT(sizes(world.split("quantity_skew", 4, "{sizes: lognormal, sigma: 0}")),
              ElementsAre(25, 25, 25, 25));
  EXPECT_THAT(error_of([&] { world.split("quantity_skew", 40, "sizes: exponential"); }),
              HasSubstr("gets no examples"));
  const World large(10, 1000);
  const auto drawn = sizes(large.split("quantity_skew", 20, "beta: 0.5"));
  EXPECT_GE(*std::min_element(drawn.begin(), drawn.end()), 10U);
  EXPECT_GT(gini(drawn), 0.3);
  EXPECT_LT(large.skew(large.split("quantity_skew", 5, "beta: 5")), 0.1);
}

TEST(LabelPairs, TwoLabelsAndAHeavyTail) {
  const World world(10, 6000);
  const Partition partition = world.split("label_pairs", 1000);
  for (std::size_t k = 0; k < partition.size(); ++k) {
    EXPECT_GE(partition[k].size(), 10U);
    for (const std::int32_t c : world.classes_of(partition[k]))
      EXPECT_TRUE(c == static_cast<std::int32_t>(k % 10) || c == static_cast<std::int32_t>((k + 1) % 10));
  }
  // 60,000 examples less the rounding of at most one for each of 2,000 shares.
  std::uint64_t given = 0;
  for (const auto size : sizes(partition)) given += size;
  EXPECT_GT(given, 58000U);
  EXPECT_GT(gini(sizes(partition)), 0.5);
  EXPECT_THAT(error_of([&] { world.split("label_pairs", 10000); }), HasSubstr("lower base"));
}

TEST(Natural, OneClientForEachGroup) {
  World world(2, 3);
  world.groups = {7, 3, 7, 3, 3, 9};
  EXPECT_THAT(world.split("natural", 3),
              ElementsAre(ElementsAre(1U, 3U, 4U), ElementsAre(0U, 2U), ElementsAre(5U)));
  EXPECT_THAT(world.split("natural", 2, "min_examples: 2"),
              ElementsAre(ElementsAre(1U, 3U, 4U), ElementsAre(0U, 2U)));
  EXPECT_THAT(error_of([&] { world.split("natural", 4); }), HasSubstr("the data has 3 people"));
  // With two clients every person stays whole.
  const Partition two = world.split("natural", 2);
  EXPECT_EQ(two[0].size() + two[1].size(), 6U);
  std::set<std::uint32_t> people[2];
  for (std::size_t k = 0; k < 2; ++k)
    for (const auto i : two[k]) people[k].insert(world.groups[i]);
  EXPECT_EQ(people[0].size() + people[1].size(), 3U);
}

TEST(NaturalDirichlet, ClientsStayInTheirGroupInOrder) {
  World world(5, 400);
  // Groups of 1000, 600 and 400 examples, whose ids are in no order.
  for (std::size_t i = 0; i < 2000; ++i) world.groups.push_back(i % 10 < 5 ? 4U : i % 10 < 8 ? 1U : 9U);
  const Partition partition = world.split("natural_dirichlet", 15, "clients_per_group: 5");
  const std::uint32_t expected[] = {1, 4, 9};
  std::size_t given = 0;
  for (std::size_t k = 0; k < 15; ++k) {
    EXPECT_GE(partition[k].size(), 10U);
    given += partition[k].size();
    for (const std::uint32_t i : partition[k]) EXPECT_EQ(world.groups[i], expected[k / 5]);
  }
  EXPECT_EQ(given, 2000U);
  // 7 = 3 + 2 + 2 clients when only their number is known.
  const Partition seven = world.split("natural_dirichlet", 7);
  EXPECT_EQ(world.groups[seven[2][0]], 1U);
  EXPECT_EQ(world.groups[seven[3][0]], 4U);
  EXPECT_EQ(world.groups[seven[5][0]], 9U);
}

TEST(NaturalDirichlet, AlphaRunsFromSkewToTheMixtureOfTheGroup) {
  World world(10, 600);
  for (std::size_t i = 0; i < 6000; ++i) world.groups.push_back(i / 10 % 3 == 0 ? 1U : 0U);
  const std::string each = "clients_per_group: 5, min_examples: 1";
  const double hard = world.skew(world.split("natural_dirichlet", 10, "{alpha: 0.05, " + each + "}"));
  const double usual = world.skew(world.split("natural_dirichlet", 10, "{alpha: 0.5, " + each + "}"));
  EXPECT_GT(hard, usual);
  EXPECT_GT(usual, 0.2);
  EXPECT_LT(world.skew(world.split("natural_dirichlet", 10, "{alpha: 10000, " + each + "}")), 0.05);
}

TEST(NaturalDirichlet, OneGroupIsPlainDirichlet) {
  World world(4, 100);
  const Partition plain = world.split("dirichlet", 6, "{alpha: 0.5, min_size: 10}");
  world.groups.assign(400, 3);
  EXPECT_EQ(world.split("natural_dirichlet", 6, "{alpha: 0.5, min_examples: 10}"), plain);
}

TEST(NaturalDirichlet, SaysWhatDoesNotFit) {
  World world(2, 50);
  EXPECT_THAT(error_of([&] { world.split("natural_dirichlet", 4); }), HasSubstr("use dirichlet"));
  for (std::size_t i = 0; i < 100; ++i) world.groups.push_back(i < 15 ? 0U : 1U);
  EXPECT_THAT(error_of([&] { world.split("natural_dirichlet", 4, "clients_per_group: 3"); }),
              HasSubstr("found 4, but 2 groups with clients_per_group 3 are 6 clients"));
  EXPECT_THAT(error_of([&] { world.split("natural_dirichlet", 4); }),
              HasSubstr("2 clients with 10 examples each need more than the 15 of their group"));
  EXPECT_THAT(error_of([&] {
                world.split("natural_dirichlet", 6, "{alpha: 0.0001, min_examples: 5, max_attempts: 3}");
              }),
              HasSubstr("in 3 draws of Dir(0.0001) over 3 clients of a group of 15"));
}

// Columns sum to 1.5, so client 0 receives .1/1.5 = 1/15 of class 0 and .9/1.5 = 9/15 of class 1, and so on;
// 150 examples of each class cut at floor(150 * (1/15, 10/15)) = 10, 100 and at 90, 100.
TEST(ClassFractions, LargeColumnsAreScaledDown) {
  const World world(2, 150);
  const Partition partition =
      world.split("class_fractions", 3, "fractions: [[0.1, 0.9], [0.9, 0.1], [0.5, 0.5]]");
  const std::size_t expected[3][2] = {{10, 90}, {90, 10}, {50, 50}};
  for (std::size_t k = 0; k < 3; ++k) {
    std::size_t counts[2] = {0, 0};
    for (const std::uint32_t i : partition[k]) ++counts[world.labels[i]];
    for (std::size_t c = 0; c < 2; ++c)  // the cut's cumulative sums may fall short of a whole number
      EXPECT_NEAR(static_cast<double>(counts[c]), static_cast<double>(expected[k][c]), 1.0) << k << ' ' << c;
  }
  EXPECT_EQ(partition[0].size() + partition[1].size() + partition[2].size(), 300U);
}

TEST(ClassFractions, SmallColumnsLeaveTheRestOut) {
  const World world(2, 100);
  // Class 0: 25 + 50 of 100; class 1: 0 + 100.
  EXPECT_THAT(sizes(world.split("class_fractions", 2, "fractions: [[0.25, 0], [0.5, 1]]")),
              ElementsAre(25, 150));
}

TEST(ClassFractions, WithoutRowsEveryClientHasItsClass) {
  const World world(3, 1000);
  // Columns of (.9, .05, .05) permuted sum to 1.
  const Partition partition = world.split("class_fractions", 3);
  for (std::size_t k = 0; k < 3; ++k) {
    const auto own = std::count_if(partition[k].begin(), partition[k].end(),
                                   [&](std::uint32_t i) { return world.labels[i] == static_cast<int>(k); });
    EXPECT_NEAR(static_cast<double>(own), 900.0, 1.0);
    EXPECT_NEAR(static_cast<double>(partition[k].size()), 1000.0, 3.0);
  }
}

TEST(ClassFractions, SaysWhatDoesNotFit) {
  const World world(2, 50);
  EXPECT_THAT(error_of([&] { world.split("class_fractions", 3, "fractions: [[1, 0], [0, 1]]"); }),
              HasSubstr("found 2 rows for 3 clients"));
  EXPECT_THAT(error_of([&] { world.split("class_fractions", 2, "fractions: [[1, 0], [0, 1, 0]]"); }),
              HasSubstr("row 1 has 3 numbers for 2 classes"));
  EXPECT_THAT(error_of([&] { world.split("class_fractions", 2, "fractions: [[1, 1], [0, 0]]"); }),
              HasSubstr("client 1 gets no examples"));
  EXPECT_THAT(error_of([&] { world.split("class_fractions", 2, "fractions: [[1, 1.5], [0, 0]]"); }),
              HasSubstr("out of range"));
}

TEST(Natural, ReadsIdsFromAFile) {
  const Folder folder;
  World world(2, 2);
  const std::string file = folder.write("ids.txt", "zoe\nadam\r\nzoe\nzoe\n");
  EXPECT_THAT(world.split("natural", 2, "file: " + file),
              ElementsAre(ElementsAre(0U, 2U, 3U), ElementsAre(1U)));
  const std::string shorter = folder.write("short.txt", "zoe\nadam");
  EXPECT_THAT(error_of([&] { world.split("natural", 2, "file: " + shorter); }),
              HasSubstr("2 client ids for 4 examples"));
  const std::string hole = folder.write("hole.txt", "zoe\n\nzoe\nzoe\n");
  EXPECT_THAT(error_of([&] { world.split("natural", 2, "file: " + hole); }),
              HasSubstr("hole.txt:2:1: an empty client id"));
  EXPECT_THAT(error_of([&] { world.split("natural", 2); }),
              HasSubstr("natural needs to know whose each example is"));
}

}  // namespace
}  // namespace fedloom
