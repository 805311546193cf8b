// Shifts and mirrors of small pictures by hand, which of them are drawn, and forms that are refused.
#include "datasets/augmentation.hpp"

#include <algorithm>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/datasets/sample_files.hpp"

namespace fedloom {
namespace {

using samples::error_of;
using ::testing::HasSubstr;

using Picture = std::vector<float>;

const DataSpec kForm{{2, 3, 4}, 1, 0};

/// Values 1 .. 24, so that no pixel is 0.
Picture numbered() {
  Picture picture(24);
  for (std::size_t i = 0; i < picture.size(); ++i) picture[i] = static_cast<float>(i + 1);
  return picture;
}

/// The definition, pixel by pixel: of the (mirrored) picture within a margin of zeros, the window that begins
/// `down` and `right` of the picture.
Picture expected(int down, int right, bool mirrored) {
  const Picture picture = numbered();
  Picture out;
  for (int c = 0; c < 2; ++c)
    for (int y = down; y < down + 3; ++y)
      for (int x = right; x < right + 4; ++x) {
        const bool inside = y >= 0 && y < 3 && x >= 0 && x < 4;
        const int column = mirrored ? 3 - x : x;
        out.push_back(inside ? picture[static_cast<std::size_t>(c * 12 + y * 4 + column)] : 0.0F);
      }
  return out;
}

std::vector<Picture> many(const Augmentation& how, std::size_t count, std::uint32_t task = 1) {
  Picture batch;
  for (std::size_t i = 0; i < count; ++i) {
    const Picture one = numbered();
    batch.insert(batch.end(), one.begin(), one.end());
  }
  Random random(5, Stream::augment, 3, task);
  std::vector<float> row;
  augment(how, kForm, count, batch.data(), random, row);
  std::vector<Picture> all;
  for (auto at = batch.begin(); at != batch.end(); at += 24) all.emplace_back(at, at + 24);
  return all;
}

// 5 x 5 shifts by two orientations: each of the 50 is drawn 4000 / 50 = 80 times, with a deviation of
// about 9.
TEST(Augmentation, EveryShiftOfEitherOrientationAlike) {
  std::map<Picture, int> counts;
  for (const Picture& picture : many({.crop = 2, .flip = true}, 4000)) ++counts[picture];
  std::size_t found = 0;
  for (int down = -2; down <= 2; ++down)
    for (int right = -2; right <= 2; ++right)
      for (const bool mirrored : {false, true}) {
        const auto it = counts.find(expected(down, right, mirrored));
        ASSERT_NE(it, counts.end()) << down << ' ' << right << ' ' << mirrored;
        EXPECT_NEAR(it->second, 80, 45) << down << ' ' << right << ' ' << mirrored;
        ++found;
      }
  EXPECT_EQ(found, counts.size());
}

TEST(Augmentation, FlipAloneMovesNothing) {
  for (const Picture& picture : many({.crop = 0, .flip = true}, 20))
    EXPECT_TRUE(picture == expected(0, 0, false) || picture == expected(0, 0, true));
  for (const Picture& picture : many({.crop = 0, .flip = false}, 3)) EXPECT_EQ(picture, numbered());
}

TEST(Augmentation, DrawsFollowTheKeyAndTheOrder) {
  const Augmentation how{.crop = 1, .flip = true};
  EXPECT_EQ(many(how, 30), many(how, 30));
  EXPECT_NE(many(how, 30), many(how, 30, 2));
  // The first ten of thirty are those of a batch of ten: pieces of a batch change nothing.
  auto thirty = many(how, 30);
  thirty.resize(10);
  EXPECT_EQ(thirty, many(how, 10));
}

TEST(Augmentation, RefusesWhatIsNoPicture) {
  EXPECT_NO_THROW(check_augmentation({.crop = 2, .flip = true}, kForm));
  EXPECT_NO_THROW(check_augmentation({}, {{60}, 10, 0}));
  EXPECT_THAT(error_of([] { check_augmentation({.flip = true}, {{60}, 10, 0}); }), HasSubstr("no pictures"));
  EXPECT_THAT(error_of([] { check_augmentation({.crop = 1}, {{60}, 10, 99}); }), HasSubstr("no pictures"));
  EXPECT_THAT(error_of([] { check_augmentation({.crop = 3}, kForm); }), HasSubstr("a picture is 3 x 4"));
}

}  // namespace
}  // namespace fedloom
