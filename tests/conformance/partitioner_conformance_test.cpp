// What every registered partitioner promises: nobody shares an example, nothing is lost unless it says so,
// the same key gives the same split, impossible demands are user errors. New partitioners are covered as they
// register.
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "datasets/partitioner.hpp"

namespace fedloom {
namespace {

constexpr std::size_t kExamples = 20000;
constexpr std::int64_t kClasses = 8;
constexpr std::uint32_t kPeople = 40;

/// Uneven classes and people, in no order.
struct World {
  std::vector<std::int32_t> labels;
  std::vector<std::uint32_t> groups;
  std::vector<std::uint32_t> examples;

  explicit World(std::size_t count) {
    Random random(77, Stream::dataset);
    for (std::size_t i = 0; i < count; ++i) {
      labels.push_back(
          static_cast<std::int32_t>(std::min(random.below(kClasses), random.below(kClasses) + 1)) %
          static_cast<std::int32_t>(kClasses));
      groups.push_back(static_cast<std::uint32_t>(i % kPeople));
      examples.push_back(static_cast<std::uint32_t>(2 * i));
    }
  }
  PartitionInput input(std::size_t clients) const {
    return {labels, kClasses, groups, examples, 2 * labels.size(), clients};
  }
};

class PartitionerConformance : public ::testing::TestWithParam<std::string> {
 protected:
  static std::unique_ptr<Partitioner> make() {
    return PartitionerRegistry::instance().find(GetParam(), "partitioner").make(ConfigNode());
  }
  static Partition split(const World& world, std::size_t clients, std::uint64_t seed) {
    Random random(seed, Stream::partition);
    return make()->split(world.input(clients), random);
  }
};

TEST_P(PartitionerConformance, DisjointAndCompleteUnlessSaid) {
  const World world(kExamples);
  for (const std::size_t clients : {1U, 2U, 7U, 20U, kPeople}) {
    const Partition partition = split(world, clients, clients);
    ASSERT_EQ(partition.size(), clients);
    std::set<std::uint32_t> seen;
    for (const auto& mine : partition) {
      EXPECT_FALSE(mine.empty()) << clients << " clients";
      for (const std::uint32_t i : mine) {
        EXPECT_LT(i, kExamples);
        EXPECT_TRUE(seen.insert(i).second) << "example " << i << " twice among " << clients << " clients";
      }
    }
    EXPECT_TRUE(seen.size() == kExamples || !make()->complete()) << clients << " clients";
  }
}

TEST_P(PartitionerConformance, KeyedRandomness) {
  const World world(kExamples);
  EXPECT_EQ(split(world, 10, 1), split(world, 10, 1));
  EXPECT_NE(split(world, 10, 1), split(world, 10, 2));
}

TEST_P(PartitionerConformance, ImpossibleDemandsAreUserErrors) {
  const World world(30);
  EXPECT_THROW(split(world, 31, 1), UserError);
  EXPECT_THROW(split(world, 0, 1), UserError);
  EXPECT_THROW(split(World(0), 1, 1), UserError);
}

TEST_P(PartitionerConformance, SmallWorldsSplitOrExplain) {
  for (std::size_t count = 1; count <= 12; ++count)
    for (std::size_t clients = 1; clients <= count; ++clients) {
      const World world(count);
      try {
        const Partition partition = split(world, clients, 3);
        ASSERT_EQ(partition.size(), clients);
        for (const auto& mine : partition) EXPECT_FALSE(mine.empty()) << clients << " of " << count;
      } catch (const UserError& error) {
        EXPECT_NE(std::string(error.what()).find("data."), std::string::npos) << error.what();
      }
    }
}

TEST_P(PartitionerConformance, IsDescribed) {
  const auto& entry = PartitionerRegistry::instance().find(GetParam(), "partitioner");
  EXPECT_FALSE(entry.about.summary.empty());
  for (const FieldDoc& field : entry.fields) EXPECT_FALSE(field.doc.empty()) << field.name;
  EXPECT_GE(make()->default_clients(World(kExamples).input(0)), 1U);
}

INSTANTIATE_TEST_SUITE_P(All, PartitionerConformance,
                         ::testing::ValuesIn(PartitionerRegistry::instance().names()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace fedloom
