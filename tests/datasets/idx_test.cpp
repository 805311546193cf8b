// IDX arrays, good and bad, and the pictures made of them.
#include "datasets/idx.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/random.hpp"
#include "tests/datasets/sample_files.hpp"

namespace fedloom {
namespace {

using samples::Bytes;
using samples::error_of;
using samples::Folder;
using samples::idx;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

IdxArray read(const Bytes& file) {
  ByteSource source = ByteSource::over(samples::view(file), "a.idx");
  return read_idx(source);
}

std::string refusal(const Bytes& file) {
  return error_of([&] { read(file); });
}

TEST(Idx, ReadsSizesAndValues) {
  const IdxArray array = read(idx({2, 1, 3}, {1, 2, 3, 4, 5, 6}));
  EXPECT_THAT(array.sizes, ElementsAre(2U, 1U, 3U));
  EXPECT_THAT(array.values, ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(Idx, RefusesWhatIsNotIdx) {
  EXPECT_THAT(refusal({}), HasSubstr("a.idx: the IDX header is cut short: 0 of 4 bytes"));
  EXPECT_THAT(refusal({0, 0, 8}), HasSubstr("cut short"));
  EXPECT_THAT(refusal(samples::bytes("PNG file")), HasSubstr("is not an IDX file: it starts with 50 4e"));
  EXPECT_THAT(refusal(idx({1}, {1, 2, 3, 4}, 0x0d)), HasSubstr("type 0x0d; only unsigned bytes (0x08)"));
  EXPECT_THAT(refusal({0, 0, 8, 0}), HasSubstr("0 dimensions"));
  EXPECT_THAT(refusal({0, 0, 8, 5}), HasSubstr("5 dimensions"));
  EXPECT_THAT(refusal({0, 0, 8, 2, 0, 0, 0, 1}), HasSubstr("header is cut short"));
}

TEST(Idx, RefusesSizesThatDoNotFit) {
  EXPECT_THAT(refusal(idx({2, 0}, {})), HasSubstr("dimension 1 is 0"));
  EXPECT_THAT(refusal(idx({0xffffffff, 0xffffffff, 2}, {1})), HasSubstr("promises more than"));
  EXPECT_THAT(refusal(idx({70000, 70000}, {1})), HasSubstr("promises more than"));
  EXPECT_THAT(refusal(idx({60000, 28, 28}, {1, 2, 3})),
              HasSubstr("the IDX data is cut short: 3 of 47040000 bytes"));
  EXPECT_THAT(refusal(idx({3}, {1, 2, 3, 4})), HasSubstr("bytes behind the 3 values"));
}

TEST(Idx, DamageIsRefusedOrHarmless) {
  const Bytes good = idx({4, 2, 2}, Bytes(16, 7));
  Random random(5, Stream::noise);
  for (int trial = 0; trial < 2000; ++trial) {
    Bytes bad = good;
    for (int flips = 0; flips < 3; ++flips)
      bad[random.below(bad.size())] = static_cast<std::uint8_t>(random.next32());
    bad.resize(random.below(bad.size() + 1));
    error_of([&] {
      const IdxArray array = read(bad);
      std::size_t total = 1;
      for (const std::uint32_t size : array.sizes) total *= size;
      EXPECT_EQ(array.values.size(), total);
    });
  }
}

TEST(Idx, KeepsTheRowsAskedForAndReadsTheRest) {
  const auto kept = [](const Bytes& file, const KeptRows& keep) {
    ByteSource source = ByteSource::over(samples::view(file), "a.idx");
    return read_idx(source, keep);
  };
  const Bytes file = idx({3, 1, 2}, {1, 2, 3, 4, 5, 6});
  EXPECT_THAT(kept(file, KeptRows::of({0, 2})).values, ElementsAre(1, 2, 5, 6));
  EXPECT_THAT(kept(file, KeptRows::none()).values, ElementsAre());
  EXPECT_THAT(kept(file, KeptRows::none()).sizes, ElementsAre(3U, 1U, 2U));
  const Bytes cut = idx({3, 1, 2}, {1, 2, 3, 4, 5});
  const Bytes longer = idx({3, 1, 2}, {1, 2, 3, 4, 5, 6, 7});
  for (const KeptRows& keep : {KeptRows::none(), KeptRows::of({0})}) {
    EXPECT_THAT(error_of([&] { kept(cut, keep); }), HasSubstr("the IDX data is cut short: 5 of 6 bytes"));
    EXPECT_THAT(error_of([&] { kept(longer, keep); }), HasSubstr("bytes behind the 6 values"));
  }
  // Unread means unread: only the header is looked at.
  EXPECT_THAT(kept(cut, KeptRows::unread()).sizes, ElementsAre(3U, 1U, 2U));
}

struct Pair {
  Folder folder;
  IdxFiles files;
  Pair(const Bytes& images, const Bytes& labels)
      : files{folder.write("images", images), folder.write("labels", labels), ""} {}
};

TEST(LoadIdx, MakesPicturesWithChannels) {
  const Pair grey(idx({2, 2, 3}, Bytes(12, 255)), idx({2}, {4, 1}));
  const auto pictures = load_idx(grey.files, 0, {});
  EXPECT_EQ(pictures->spec(), (DataSpec{{1, 2, 3}, 5, 0}));
  EXPECT_EQ(pictures->size(), 2U);
  const Pair colour(idx({1, 3, 2, 2}, Bytes(12, 0)), idx({1}, {0}));
  EXPECT_EQ(load_idx(colour.files, 7, {})->spec(), (DataSpec{{3, 2, 2}, 7, 0}));
  const Pair flat(idx({3, 4}, Bytes(12, 0)), idx({3}, {0, 1, 0}));
  EXPECT_EQ(load_idx(flat.files, 2, {})->spec(), (DataSpec{{4}, 2, 0}));
}

TEST(LoadIdx, GroupsComeFromAThirdFile) {
  Pair pair(idx({3, 1, 1}, {1, 2, 3}), idx({3}, {0, 1, 0}));
  EXPECT_EQ(load_idx(pair.files, 2, {})->group(0), std::nullopt);
  pair.files.groups = pair.folder.write("writers", idx({3}, {9, 9, 4}));
  EXPECT_EQ(load_idx(pair.files, 2, {})->group(2), 4U);
  pair.files.groups = pair.folder.write("writers", idx({2}, {9, 9}));
  EXPECT_THAT(error_of([&] { load_idx(pair.files, 2, {}); }), HasSubstr("3 images but 2 client ids"));
}

TEST(LoadIdx, LabelsMayStandForClasses) {
  const Pair pair(idx({3, 1, 1}, {1, 2, 3}), idx({3}, {7, 3, 7}));
  const auto pictures = load_idx(pair.files, 2, {}, KeptRows::all(), {3, 7});
  EXPECT_EQ(pictures->label(0), 1);
  EXPECT_EQ(pictures->label(1), 0);
  EXPECT_THAT(error_of([&] {
                load_idx(pair.files, 2, {}, KeptRows::all(), {3, 4});
              }),
              HasSubstr("the label 7 is not among data.source.labels: 3, 4"));
}

TEST(LoadIdx, RefusesWhatDoesNotMatch) {
  const Pair label(idx({2, 1, 1}, {1, 2}), idx({2}, {1, 12}));
  EXPECT_THAT(error_of([&] { load_idx(label.files, 10, {}); }),
              HasSubstr("label 12 of example 1 is outside 0..9"));
  const Pair count(idx({2, 1, 1}, {1, 2}), idx({3}, {0, 0, 0}));
  EXPECT_THAT(error_of([&] { load_idx(count.files, 10, {}); }), HasSubstr("2 images but 3 labels"));
  const Pair swapped(idx({2}, {1, 2}), idx({2, 1, 1}, {1, 2}));
  EXPECT_THAT(error_of([&] { load_idx(swapped.files, 10, {}); }),
              HasSubstr("1 dimensions, which are not images"));
  EXPECT_THAT(error_of([&] {
                load_idx(label.files, 13, {{0.0}, {0.0}});
              }),
              HasSubstr("deviation 0 must be above 0"));
  EXPECT_THAT(error_of([&] {
                load_idx(label.files, 13, {{0.0, 0.0}, {1.0}});
              }),
              HasSubstr("2 values of mean"));
}

}  // namespace
}  // namespace fedloom
