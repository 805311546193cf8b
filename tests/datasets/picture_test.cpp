// Pictures of any size brought to one, and folders of them.
#include "datasets/picture.hpp"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/data_source.hpp"
#include "datasets/federation.hpp"
#include "datasets/picture_folder.hpp"
#include "datasets/spread.hpp"
#include "tests/datasets/sample_files.hpp"

namespace fedloom {
namespace {

using samples::Bytes;
using samples::error_of;
using samples::Folder;
using samples::png_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Picture, KeepsPixelsOfItsOwnSize) {
  const Picture picture = decode_png(png_of({1, 2, 3, 4, 5, 6}, 2, 1), 3, "a.png");
  EXPECT_EQ(picture.width, 2U);
  EXPECT_EQ(picture.height, 1U);
  EXPECT_THAT(planes(picture, 1, 2), ElementsAre(1, 4, 2, 5, 3, 6));
}

// 3 x 2 to 2 x 1: the left value has all of column 0 and half of column 1, in parts of 2/3 and 1/3, of both
// rows:
// ((0 + 60) / 2 * 2 + (30 + 90) / 2) / 3 = 40, and on the right ((90 + 150) / 2 * 2 + 60) / 3 = 100.
TEST(Picture, SmallerOnesAreMeansOverAreas) {
  EXPECT_THAT(planes({3, 2, 1, {0, 30, 90, 60, 90, 150}}, 1, 2), ElementsAre(40, 100));
}

TEST(Picture, LargerOnesRepeat) {
  EXPECT_THAT(planes({2, 1, 1, {10, 20}}, 2, 4), ElementsAre(10, 10, 20, 20, 10, 10, 20, 20));
}

// Red has 0.2126 of the light; of sRGB's 255 that is 127.
TEST(Picture, ColourBecomesGreyByItsLight) {
  EXPECT_NEAR(decode_png(png_of({255, 0, 0}, 1, 1), 1, "a.png").pixels[0], 127, 1);
}

TEST(Picture, WhatIsTransparentLiesOnBlack) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = 2;
  image.height = 1;
  image.format = PNG_FORMAT_RGBA;
  const Bytes rgba{10, 20, 30, 255, 200, 200, 200, 0};
  Bytes png(1000);
  png_alloc_size_t size = png.size();
  ASSERT_NE(png_image_write_to_memory(&image, png.data(), &size, 0, rgba.data(), 0, nullptr), 0);
  png.resize(size);
  EXPECT_THAT(decode_png(png, 3, "a.png").pixels, ElementsAre(10, 20, 30, 0, 0, 0));
}

TEST(Picture, DamageIsRefused) {
  const Bytes png = png_of(Bytes(300, 9), 10, 10);
  EXPECT_THAT(error_of([] {
                decode_png(Bytes{1, 2, 3}, 3, "a.png");
              }),
              HasSubstr("a.png: is not a readable PNG"));
  for (std::size_t size = 0; size + 12 < png.size(); ++size)  // the last 12 say that it ends
    EXPECT_THAT(error_of([&] {
                  decode_png(Bytes(png.begin(), png.begin() + static_cast<std::ptrdiff_t>(size)), 3, "a");
                }),
                HasSubstr("PNG"))
        << size << " bytes";
}

// Two cats and a dog.
class PictureFolder : public ::testing::Test {
 protected:
  PictureFolder() {
    write("cat/2.png", 20);
    write("cat/1.PNG", 10);
    write("dog/a.png", 30);
    write(".hidden/a.png", 90);
    folder_.write("cat/notes.txt", "no picture");
  }
  void write(const std::string& name, std::uint8_t value) const {
    std::filesystem::create_directories(std::filesystem::path(folder_.path() + "/" + name).parent_path());
    folder_.write(name, png_of(Bytes(3, value), 1, 1));
  }
  auto load(const std::vector<std::string>& classes, const KeptRows& keep = KeptRows::all()) const {
    return load_picture_folder(folder_.path(), classes, {3, 1, 1}, {{0.0}, {1.0 / 255.0}}, keep);
  }
  std::unique_ptr<DataSource> source(const std::string& settings) const {
    return make_source(
        read_config<DataConfig>(ConfigNode::from_text("source: {name: images, " + settings + "}", "t.yaml"))
            .source);
  }
  Folder folder_;
};

std::vector<float> values(const Examples& examples, const std::vector<std::uint32_t>& which) {
  std::vector<float> features(which.size() * 3);
  std::vector<std::int32_t> labels(which.size());
  examples.gather(which, features.data(), labels.data());
  return features;
}

TEST_F(PictureFolder, IsReadInTheOrderOfClassesAndNames) {
  const auto pictures = load({"cat", "dog"});
  ASSERT_EQ(pictures->size(), 3U);
  EXPECT_EQ(pictures->spec(), (DataSpec{{3, 1, 1}, 2, 0}));
  EXPECT_EQ(pictures->label(1), 0);
  EXPECT_EQ(pictures->label(2), 1);
  EXPECT_THAT(values(*pictures, {0, 2}), ElementsAre(10, 10, 10, 30, 30, 30));
  EXPECT_EQ(load({"dog", "cat"})->label(0), 0) << "the dog";
  EXPECT_EQ(load({"bird", "cat", "dog"})->label(2), 2) << "no bird at hand";
}

TEST_F(PictureFolder, KeepsThePixelsAskedFor) {
  const auto pictures = load({"cat", "dog"}, KeptRows::of({2}));
  EXPECT_EQ(pictures->size(), 3U);
  EXPECT_FALSE(pictures->holds(0));
  EXPECT_THAT(values(*pictures, {2}), ElementsAre(30, 30, 30));
  EXPECT_THAT(error_of([&] { load({"cat", "dog"}, KeptRows::of({3})); }), HasSubstr("has 3 pictures"));
}

TEST_F(PictureFolder, SlipsAreTold) {
  EXPECT_THAT(error_of([&] { load({"cat"}); }), HasSubstr("dog: no such class among labels: cat"));
  folder_.write("dog/b.jpeg", "JFIF");
  EXPECT_THAT(error_of([&] { load({"cat", "dog"}); }), HasSubstr("b.jpeg: pictures must be PNG files"));
  const Folder empty;
  EXPECT_THAT(error_of([&] { class_folders(empty.path()); }), HasSubstr("there are no folders in it"));
  EXPECT_THAT(error_of([&] { class_folders(empty.path() + "/gone"); }), HasSubstr("gone"));
}

TEST_F(PictureFolder, OfADeviceNeedsTheNamesOfAllClasses) {
  EXPECT_THAT(error_of([&] { (void)source("shape: [3, 1, 1]")->load_folder(folder_.path()); }),
              HasSubstr("data.source.labels"));
  const SplitExamples own =
      source("shape: [3, 1, 1], labels: [bird, cat, dog], test_share: 0")->load_folder(folder_.path());
  EXPECT_EQ(own.train->spec().classes, 3);
}

TEST_F(PictureFolder, OfADeviceMayHaveAClassOfTrains) {
  write("train/1.png", 40);
  const SplitExamples own =
      source("shape: [3, 1, 1], labels: [train, cat, dog], test_share: 0")->load_folder(folder_.path());
  EXPECT_EQ(own.train->size(), 4U);
  EXPECT_EQ(own.train->label(0), 0);
}

TEST_F(PictureFolder, NoClassIsThereTwice) {
  EXPECT_THAT(error_of([&] { (void)source("labels: [cat, dog, cat]"); }),
              HasSubstr("data.source.labels: cat is there twice, as class 0 and 2"));
}

TEST_F(PictureFolder, IsFoundBelowTheDataFolder) {
  const std::string root = std::filesystem::path(folder_.path()).parent_path().string();
  const std::string name = std::filesystem::path(folder_.path()).filename().string();
  const SplitExamples split = source("shape: [1, 2, 2], test_share: 0, train: " + name)->load(root, {});
  EXPECT_EQ(split.train->spec(), (DataSpec{{1, 2, 2}, 2, 0}));
  EXPECT_THAT(error_of([&] { (void)source("train: gone")->load(root, {}); }),
              HasSubstr("there is no folder gone"));
  EXPECT_THAT(error_of([&] { (void)source("shape: [2, 8, 8]"); }), HasSubstr("1 or 3 channels"));
}

}  // namespace
}  // namespace fedloom
