// The real texts, where FEDLOOM_DATA names a folder that has them: counts, classes, speakers, characters.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <ostream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/byte_source.hpp"
#include "datasets/catalogue.hpp"
#include "datasets/federation.hpp"
#include "datasets/speeches.hpp"
#include "tests/datasets/sample_files.hpp"

namespace fedloom {
namespace {

using samples::error_of;
using samples::Folder;
using ::testing::HasSubstr;

DataConfig parse(const std::string& yaml) {
  return read_config<DataConfig>(ConfigNode::from_text(yaml, "exp.yaml"));
}

/// The data folder when it has `set`, else "" and the reason in `missing`.
std::string folder_with(const std::string& set, std::string& missing) {
  const char* folder = std::getenv("FEDLOOM_DATA");
  if (folder == nullptr) {
    missing = "FEDLOOM_DATA is not set";
    return "";
  }
  if (is_stored(catalogue_entry(set), folder)) return folder;
  missing = set + " is not in " + folder;
  return "";
}

struct PublishedText {
  const char* set;
  const char* settings;
  std::size_t train;
  std::size_t test;
  std::int64_t length;
  std::int64_t classes;
};

// Names the case in test lists; the default would print addresses.
void PrintTo(const PublishedText& text, std::ostream* out) { *out << text.set << text.settings; }

class PublishedTexts : public ::testing::TestWithParam<PublishedText> {};

TEST_P(PublishedTexts, HasItsCounts) {
  const PublishedText& text = GetParam();
  std::string missing;
  const std::string folder = folder_with(text.set, missing);
  if (folder.empty()) GTEST_SKIP() << missing;
  const auto data = load_federated_data(
      parse(fmt::format("{{source: {{name: {}{}}}, clients: 1}}", text.set, text.settings)), 1, folder);
  EXPECT_EQ(data->example_count(0), text.train);
  EXPECT_EQ(data->test().size(), text.test);
  EXPECT_EQ(data->spec().shape, std::vector<std::int64_t>{text.length});
  EXPECT_EQ(data->spec().classes, text.classes);
  EXPECT_GT(data->spec().vocabulary, 5000);
  EXPECT_LE(data->spec().vocabulary, 20000);
  std::vector<bool> seen(static_cast<std::size_t>(text.classes), false);
  const ExampleView view = data->client(0);
  for (const std::uint32_t i : view.indices) seen[static_cast<std::size_t>(view.examples->label(i))] = true;
  EXPECT_EQ(std::count(seen.begin(), seen.end(), true), text.classes);
}

// The fine classes are 50; one damaged line of the stored copy, "NUM:How far", looks like one more.
INSTANTIATE_TEST_SUITE_P(All, PublishedTexts,
                         ::testing::Values(PublishedText{"sst2", "", 67'349, 1'821, 64, 2},
                                           PublishedText{"sst2", ", test_part: dev", 67'349, 872, 64, 2},
                                           PublishedText{"trec", "", 5'444, 499, 32, 6},
                                           PublishedText{"trec", ", labels: fine, length: 10", 5'444, 499, 10,
                                                         51},
                                           PublishedText{"20newsgroups", "", 11'314, 7'532, 256, 20}),
                         [](const auto& test) { return fmt::format("{}_{}", test.param.set, test.index); });

TEST(PublishedTexts, ShakespeareHasItsSpeakers) {
  std::string missing;
  const std::string folder = folder_with("shakespeare", missing);
  if (folder.empty()) GTEST_SKIP() << missing;
  const std::string file =
      stored_file("shakespeare", catalogue_entry("shakespeare").folder(folder), "input.txt");
  const auto speakers = read_speakers(ByteSource::open(file).read_all(), file);
  EXPECT_EQ(speakers.size(), 309U);
  std::size_t speeches = 0;
  for (const Speaker& speaker : speakers) speeches += speaker.speeches;
  EXPECT_EQ(speeches, 7222U);

  const auto data = load_federated_data(parse("source: shakespeare"), 1, folder);
  EXPECT_EQ(data->clients(), 141U);
  EXPECT_EQ(data->spec(), (DataSpec{{80}, 65, 65}));
  std::size_t windows = 0;
  for (std::size_t k = 0; k < data->clients(); ++k) windows += data->example_count(k);
  // Counted by a script of its own: each speaker's n characters give n - floor(n / 5) - 80 and floor(n / 5)
  // - 80.
  EXPECT_EQ(windows, 769'841U);
  EXPECT_EQ(data->test().size(), 183'931U);
  // A million windows are views into a text of a million characters, with four bytes each in the partition.
  EXPECT_LT(data->memory_bytes(), 8'000'000U);
}

TEST(TrecFile, WantsCoarseAndFineInFront) {
  const Folder folder;
  std::filesystem::create_directories(folder.path() + "/trec");
  folder.write("trec/train_5500.label", "NUM:dist How far ?\nHUM Who ?\n");
  folder.write("trec/TREC_10.en.label", "NUM:dist How far ?\n");
  EXPECT_THAT(error_of([&] { load_federated_data(parse("source: trec"), 1, folder.path()); }),
              HasSubstr("train_5500.label:2:1: the label 'HUM' is not of the form COARSE:fine"));
}

}  // namespace
}  // namespace fedloom
