// Layouts and the slices that travel: offsets, fingerprints, roles, gathering and its inverse.
#include "core/layout.hpp"

#include <numeric>
#include <set>

#include <gtest/gtest.h>

#include "core/random.hpp"

namespace fedloom {
namespace {

// Offsets: weight 0..5, bias 6..7, mean 8..9, base 10..12, head 13.
std::shared_ptr<const Layout> sample() {
  Layout::Builder builder;
  builder.add("weight", {2, 3});
  builder.add("bias", {2});
  builder.add("mean", {2}, Role::statistic);
  builder.add("base", {3}, Role::frozen);
  builder.add("head", {}, Role::local);
  return builder.build();
}

std::uint64_t fingerprint_of(const std::string& name, std::vector<std::int64_t> shape, Role role) {
  Layout::Builder builder;
  builder.add(name, std::move(shape), role);
  return builder.build()->fingerprint();
}

TEST(Layout, PlacesSlicesOneAfterTheOther) {
  const auto layout = sample();
  EXPECT_EQ(layout->size(), 14U);
  EXPECT_EQ(layout->at("mean").offset, 8U);
  EXPECT_EQ(layout->at("head").size, 1U) << "an empty shape is a scalar";
  EXPECT_EQ(layout->find("absent"), nullptr);
  EXPECT_EQ(layout->count(Role::trained), 8U);
  EXPECT_EQ(layout->count(Role::frozen), 3U);
}

TEST(Layout, TheFingerprintIsOverNamesShapesAndRoles) {
  EXPECT_EQ(sample()->fingerprint(), sample()->fingerprint());
  const std::set<std::uint64_t> different = {
      fingerprint_of("w", {2, 3}, Role::trained), fingerprint_of("v", {2, 3}, Role::trained),
      fingerprint_of("w", {3, 2}, Role::trained), fingerprint_of("w", {6}, Role::trained),
      fingerprint_of("w", {2, 3}, Role::frozen),  Layout::Builder().build()->fingerprint()};
  EXPECT_EQ(different.size(), 6U);
}

TEST(LayoutDeathTest, DoubleNamesAndEmptyExtentsAreProgrammerErrors) {
  Layout::Builder builder;
  builder.add("w", {2});
  EXPECT_DEATH(builder.add("w", {2}), "slice 'w' was added twice");
  EXPECT_DEATH(builder.add("v", {2, 0}), "slice 'v' has an extent of 0");
  EXPECT_DEATH(sample()->at("absent"), "no slice is called 'absent'");
}

TEST(SliceSet, TakesWhatIsTrainedOrAStatistic) {
  const auto layout = sample();
  const SliceSet exchanged = SliceSet::exchanged(*layout);
  EXPECT_EQ(exchanged.size(), 10U);
  ASSERT_EQ(exchanged.runs().size(), 2U) << "weight and bias are one run; a statistic is another";
  EXPECT_EQ(exchanged.runs()[0].size, 8U);
  EXPECT_EQ(exchanged.runs()[1].offset, 8U);
  EXPECT_EQ(exchanged.runs()[1].role, Role::statistic);
}

TEST(SliceSet, MergesNeighboursOnly) {
  const auto layout = sample();
  const SliceSet ends(*layout,
                      [](const Slice& slice) { return slice.name == "weight" || slice.name == "head"; });
  ASSERT_EQ(ends.runs().size(), 2U);
  EXPECT_EQ(ends.runs()[1].offset, 13U);
  EXPECT_EQ(SliceSet(*layout, [](const Slice&) { return false; }).size(), 0U);
}

// For random layouts and choices: gather after scatter is the identity, and scatter touches nothing else.
TEST(SliceSet, ScatterAndGatherAreInverse) {
  for (std::uint64_t trial = 0; trial < 200; ++trial) {
    Random random(trial, Stream::init);
    Layout::Builder builder;
    std::set<std::string> chosen;
    const std::uint64_t slices = 1 + random.below(8);
    for (std::uint64_t s = 0; s < slices; ++s) {
      const std::string name = std::to_string(s);
      builder.add(name, {static_cast<std::int64_t>(1 + random.below(5)), 2},
                  static_cast<Role>(random.below(4)));
      if (random.below(2) == 0) chosen.insert(name);
    }
    const auto layout = builder.build();
    const SliceSet set(*layout, [&](const Slice& slice) { return chosen.contains(slice.name); });
    FloatBuffer packed(set.size());
    std::iota(packed.begin(), packed.end(), 1.0F);
    ParameterVector full(layout);
    set.scatter(packed, full.values());
    for (const Slice& slice : layout->slices())
      for (const float value : full.view(slice)) EXPECT_EQ(value != 0.0F, chosen.contains(slice.name));
    FloatBuffer again(set.size());
    set.gather(full.values(), again);
    EXPECT_EQ(again, packed);
  }
}

TEST(SliceSetDeathTest, WrongSizesAreProgrammerErrors) {
  const auto layout = sample();
  const SliceSet set = SliceSet::exchanged(*layout);
  ParameterVector full(layout);
  FloatBuffer small(9);
  EXPECT_DEATH(set.gather(full.values(), small), "9 floats for a choice of 10");
  EXPECT_DEATH(set.scatter(small, full.values()), "9 floats for a choice of 10");
}

TEST(ParameterVector, ViewsAreTheFloatsThemselvesAndCopiesAreNot) {
  ParameterVector parameters(sample());
  parameters.view("bias")[1] = 5.0F;
  EXPECT_EQ(parameters.values()[7], 5.0F);
  ParameterVector copy = parameters;
  copy.view("bias")[1] = 6.0F;
  EXPECT_EQ(parameters.values()[7], 5.0F);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(parameters.values().data()) % 64, 0U) << "cache-line aligned";
}

}  // namespace
}  // namespace fedloom
