// Gathering: order, normalisation per channel, labels; and CIFAR records.
#include "datasets/image_examples.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/cifar_binary.hpp"
#include "datasets/table_examples.hpp"
#include "tests/datasets/sample_files.hpp"

namespace fedloom {
namespace {

using samples::Bytes;
using samples::error_of;
using samples::Folder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ImageExamples, NormalisesEachChannel) {
  // Two channels of 1 x 2: value v becomes (v / 255 - mean) / deviation.
  const ImageExamples images({{2, 1, 2}, 3, 0}, {2, KeptRows::all(), {0, 255, 51, 102, 255, 0, 0, 0}}, {2, 1},
                             {}, {{0.5, 0.2}, {0.5, 0.1}}, "here");
  const std::vector<std::uint32_t> order{1, 0};
  std::vector<float> features(8);
  std::vector<std::int32_t> labels(2);
  images.gather(order, features.data(), labels.data());
  const double expected[] = {1.0, -1.0, -2.0, -2.0, -1.0, 1.0, 0.0, 2.0};
  for (std::size_t i = 0; i < 8; ++i) EXPECT_NEAR(static_cast<double>(features[i]), expected[i], 1e-6) << i;
  EXPECT_THAT(labels, ElementsAre(1, 2));
  EXPECT_EQ(images.memory_bytes(), 10U);
}

TEST(ImageExamples, EveryByteValueIsWithinRounding) {
  Bytes all(256);
  for (std::size_t v = 0; v < 256; ++v) all[v] = static_cast<std::uint8_t>(v);
  const ImageExamples images({{1, 16, 16}, 1, 0}, {1, KeptRows::all(), all}, {0}, {}, {{0.1307}, {0.3081}},
                             "here");
  std::vector<float> features(256);
  std::int32_t label = -1;
  images.gather(std::vector<std::uint32_t>{0}, features.data(), &label);
  for (std::size_t v = 0; v < 256; ++v)
    EXPECT_NEAR(static_cast<double>(features[v]), (static_cast<double>(v) / 255.0 - 0.1307) / 0.3081, 5e-7);
}

TEST(ImageExamples, HoldsTheRowsThatAreKept) {
  const KeptPixels kept{4, KeptRows::of({3, 1}), {10, 11, 30, 31}};
  const ImageExamples images({{2}, 3, 0}, kept, {0, 1, 2, 0}, {5, 6, 7, 8}, {{0.0}, {1.0 / 255}}, "here");
  EXPECT_EQ(images.size(), 4U);
  std::vector<float> features(4);
  std::vector<std::int32_t> labels(2);
  images.gather(std::vector<std::uint32_t>{3, 1}, features.data(), labels.data());
  EXPECT_THAT(features, ElementsAre(30, 31, 10, 11));
  EXPECT_THAT(labels, ElementsAre(0, 1));
  EXPECT_TRUE(images.holds(1) && images.holds(3));
  EXPECT_FALSE(images.holds(0) || images.holds(2));
  EXPECT_EQ(images.label(2), 2);
  EXPECT_EQ(images.group(2), 7U);
  EXPECT_EQ(images.memory_bytes(), 4U + 4U + 4U + 16U);  // pixels, labels, groups, table

  const ImageExamples none({{2}, 3, 0}, {4, KeptRows::none(), {}}, {0, 1, 2, 0}, {}, {}, "here");
  EXPECT_FALSE(none.holds(0));
  EXPECT_EQ(none.memory_bytes(), 4U);
}

TEST(ImageExamples, RefusesRowsThatAreNotThere) {
  EXPECT_THAT(error_of([] {
                const KeptPixels kept{2, KeptRows::of({1, 2}), {10, 11}};
                const ImageExamples images({{2}, 3, 0}, kept, {0, 1}, {}, {}, "here");
              }),
              HasSubstr("here: example 2 is asked for, but there are 2"));
}

TEST(TableExamples, CopiesRowsAndGroups) {
  const TableExamples table({{2}, 4, 0}, {1, 2, 3, 4, 5, 6}, {3, 0, 1}, {7, 7, 8});
  std::vector<float> features(4);
  std::vector<std::int32_t> labels(2);
  table.gather(std::vector<std::uint32_t>{2, 0}, features.data(), labels.data());
  EXPECT_THAT(features, ElementsAre(5, 6, 1, 2));
  EXPECT_THAT(labels, ElementsAre(1, 3));
  EXPECT_EQ(table.group(2), 8U);
}

TEST(ExamplesDeathTest, MisuseIsAProgrammerError) {
  const TableExamples table({{1}, 1, 0}, {1.0F}, {0});
  float feature = 0;
  std::int32_t label = 0;
  EXPECT_DEATH(table.gather(std::vector<std::uint32_t>{1}, &feature, &label), "example 1 of 1");
  const ImageExamples images({{1}, 1, 0}, {2, KeptRows::of({0}), {9}}, {0, 0}, {}, {}, "here");
  EXPECT_DEATH(images.gather(std::vector<std::uint32_t>{0, 1}, &feature, &label),
               "features of example 1 are not held");
  EXPECT_DEATH(table.gather_tokens(std::vector<std::uint32_t>{0}, nullptr, nullptr, nullptr), "tokens");
}

Bytes record(std::uint8_t label, std::uint8_t value) {
  Bytes bytes(3073, value);
  bytes[0] = label;
  return bytes;
}

TEST(CifarBinary, JoinsFilesInOrder) {
  const Folder folder;
  const auto a = folder.write("a.bin", samples::joined({record(1, 10), record(2, 20)}));
  const auto b = folder.write("b.bin", gzip(record(9, 255)));
  const auto images = load_cifar_binary({a, b}, 10, {});
  EXPECT_EQ(images->spec(), (DataSpec{{3, 32, 32}, 10, 0}));
  ASSERT_EQ(images->size(), 3U);
  std::vector<float> features(3072);
  std::int32_t label = 0;
  images->gather(std::vector<std::uint32_t>{2}, features.data(), &label);
  EXPECT_EQ(label, 9);
  EXPECT_FLOAT_EQ(features[3071], 1.0F);
}

TEST(CifarBinary, KeepsRowsOfAnyFile) {
  const Folder folder;
  const auto a = folder.write("a.bin", samples::joined({record(1, 10), record(2, 20)}));
  const auto b = folder.write("b.bin", gzip(samples::joined({record(9, 30), record(8, 255)})));
  const auto images = load_cifar_binary({a, b}, 10, {}, KeptRows::of({1, 3}));
  ASSERT_EQ(images->size(), 4U);
  EXPECT_EQ(images->label(2), 9);
  EXPECT_FALSE(images->holds(0) || images->holds(2));
  std::vector<float> features(2 * 3072);
  std::vector<std::int32_t> labels(2);
  images->gather(std::vector<std::uint32_t>{1, 3}, features.data(), labels.data());
  EXPECT_THAT(labels, ElementsAre(2, 8));
  EXPECT_FLOAT_EQ(features[0], 20.0F / 255.0F);
  EXPECT_FLOAT_EQ(features[6143], 1.0F);
}

TEST(CifarBinary, RefusesDamage) {
  const Folder folder;
  Bytes shorter = record(1, 10);
  shorter.pop_back();
  const auto bad = [&](const Bytes& content) {
    const auto file = folder.write("x.bin", content);
    const std::string error = error_of([&] { load_cifar_binary({file}, 10, {}); });
    for (const KeptRows& keep : {KeptRows::unread(), KeptRows::none(), KeptRows::of({0})})
      EXPECT_EQ(error_of([&] { load_cifar_binary({file}, 10, {}, keep); }), error);
    return error;
  };
  EXPECT_THAT(bad(samples::joined({record(0, 0), shorter})), HasSubstr("the last CIFAR record is cut short"));
  EXPECT_THAT(bad(samples::joined({record(0, 0), record(10, 0)})),
              HasSubstr("label 10 of record 1 is outside 0..9"));
  EXPECT_THAT(bad({}), HasSubstr("holds no CIFAR records"));
  EXPECT_THAT(error_of([] { load_cifar_binary({}, 10, {}); }), HasSubstr("give at least one"));
}

}  // namespace
}  // namespace fedloom
