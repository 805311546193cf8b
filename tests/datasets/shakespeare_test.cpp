// Plays by speaker: speeches, alphabets, windows that lie in the text, parts that do not overlap.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/alphabet.hpp"
#include "datasets/character_windows.hpp"
#include "datasets/federation.hpp"
#include "datasets/speeches.hpp"
#include "tests/datasets/sample_files.hpp"

namespace fedloom {
namespace {

using samples::error_of;
using samples::Folder;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

DataConfig parse(const std::string& yaml) {
  return read_config<DataConfig>(ConfigNode::from_text(yaml, "exp.yaml"));
}

TEST(Speeches, JoinsWhatASpeakerSays) {
  const auto speakers =
      read_speakers("\n\nA:\none\ntwo\n\nB C:\r\nthree\r\n \nA:\n\n\nB C:\nfour: five", "p.txt");
  ASSERT_EQ(speakers.size(), 2U);
  EXPECT_EQ(speakers[0].name, "A");
  EXPECT_EQ(speakers[0].text, "one\ntwo");
  EXPECT_EQ(speakers[0].speeches, 2U);  // one of them says nothing
  EXPECT_EQ(speakers[1].name, "B C");
  EXPECT_EQ(speakers[1].text, "three\nfour: five");
}

TEST(Speeches, SaysWhereNobodySpeaks) {
  EXPECT_THAT(
      error_of([] { read_speakers("A:\none\n\nno name here\n", "p.txt"); }),
      StartsWith("p.txt:4:1: a speech begins with its speaker's name and a colon, found 'no name here'"));
  EXPECT_THAT(error_of([] { read_speakers(":\nx\n", "p.txt"); }), StartsWith("p.txt:1:1:"));
  EXPECT_THAT(error_of([] { read_speakers("\n \n", "p.txt"); }), StartsWith("p.txt: holds no speeches"));
}

TEST(Alphabet, IsSortedAndLeafHasEighty) {
  const Alphabet own = Alphabet::of("hello");
  EXPECT_EQ(own.size(), 4);
  EXPECT_THAT((std::vector<int>{own.number('e'), own.number('h'), own.number('l'), own.number('o')}),
              ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(own.number('x'), 0);
  const Alphabet leaf = Alphabet::leaf();
  EXPECT_EQ(leaf.size(), 80);
  EXPECT_EQ(leaf.number('\n'), 0);
  EXPECT_EQ(leaf.number(' '), 1);
  EXPECT_EQ(leaf.number('}'), 79);
  EXPECT_EQ(leaf.number('$'), leaf.number(' '));
  EXPECT_EQ(Alphabet::of("").size(), 0);
}

TEST(CharacterWindows, AreViewsIntoTheText) {
  const auto text = std::make_shared<const std::vector<std::uint8_t>>(
      std::vector<std::uint8_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  // Windows of 2, 2 apart: 0..6 has (6 - 2 - 1) / 2 + 1 = 2 of them, 6..8 is too short, 6..9 has one.
  const CharacterWindows windows(text, {{0, 6, 7}, {6, 8, 8}, {6, 9, 9}}, {2, 2, 10});
  EXPECT_EQ(windows.spec(), (DataSpec{{2}, 10, 10}));
  ASSERT_EQ(windows.size(), 3U);
  std::vector<std::int32_t> tokens(6);
  std::vector<std::uint8_t> mask(6);
  std::vector<std::int32_t> labels(3);
  windows.gather_tokens(std::vector<std::uint32_t>{2, 0, 1}, tokens.data(), mask.data(), labels.data());
  EXPECT_THAT(tokens, ElementsAre(6, 7, 0, 1, 2, 3));
  EXPECT_THAT(labels, ElementsAre(8, 2, 4));
  EXPECT_THAT(mask, Each(1));
  EXPECT_EQ(windows.label(1), 4);
  EXPECT_EQ(windows.group(1), 7U);
  EXPECT_EQ(windows.group(2), 9U);
  EXPECT_LT(windows.memory_bytes(), 100U);
  EXPECT_DEATH(static_cast<void>(windows.label(3)), "example 3 of 3");
}

// ANN says 10 characters, BOB 20, CY 4.
constexpr const char* kPlay = "ANN:\n0123456789\n\nBOB:\nabcdefghij\n\nCY:\nwxyz\n\nBOB:\nklmnopqrs\n";

TEST(Shakespeare, SpeakersAreClientsAndTheirEndsTheTest) {
  const Folder folder;
  folder.write("p.txt.gz", gzip(samples::bytes(kPlay)));
  const auto data = load_federated_data(
      parse("source: {name: shakespeare, file: p.txt, length: 3, min_chars: 8, test_share: 0.45}"), 1,
      folder.path());
  ASSERT_EQ(data->clients(), 2U);
  // ANN trains on 012345: 3 windows, is tested on 6789: 1. BOB: 11 and 9 characters: 8 and 6.
  EXPECT_EQ(data->example_count(0), 3U);
  EXPECT_EQ(data->example_count(1), 8U);
  EXPECT_EQ(data->test().size(), 7U);
  // The 2 + 10 + 6 + 23 distinct bytes of the file: \n, :, 0..9, ABCNOY, a..s, w..z: \n is 0, '0' is 1, ':'
  // is 11.
  EXPECT_EQ(data->spec(), (DataSpec{{3}, 41, 41}));
  const Examples& test = *data->test().examples;
  std::vector<std::int32_t> tokens(3);
  std::vector<std::uint8_t> mask(3);
  std::int32_t label = -1;
  const std::uint32_t first = 0;
  test.gather_tokens(std::span(&first, 1), tokens.data(), mask.data(), &label);
  EXPECT_THAT(tokens, ElementsAre(7, 8, 9));  // '6', '7', '8'
  EXPECT_EQ(label, 10);
  const ExampleView bob = data->client(1);
  EXPECT_EQ(bob.examples->group(bob.indices[0]), 1U);
}

TEST(Shakespeare, ADeployedClientNeedsLeafsAlphabet) {
  const Folder folder;
  folder.write("input.txt", "ANN:\n$0123456789\n");
  const auto local = [&](const std::string& more) {
    return load_local_data(
        parse("source: {name: shakespeare, length: 3, min_chars: 0, test_share: 0" + more + "}"),
        folder.path(), 2);
  };
  EXPECT_THAT(error_of([&] { local(""); }), StartsWith("data.source.alphabet: a client does not know"));
  const auto data = local(", alphabet: leaf");
  EXPECT_EQ(data->spec(), (DataSpec{{3}, 80, 80}));
  EXPECT_EQ(data->example_count(2), 8U);
  EXPECT_EQ(data->test().size(), 0U);
}

TEST(Shakespeare, SaysWhatIsMissing) {
  const Folder folder;
  folder.write("p.txt", kPlay);
  samples::Bytes cut = gzip(samples::bytes(kPlay));
  cut.resize(cut.size() - 12);
  folder.write("cut.txt.gz", cut);
  const auto error = [&](const std::string& settings) {
    return error_of(
        [&] { load_federated_data(parse("source: {name: shakespeare" + settings + "}"), 1, folder.path()); });
  };
  EXPECT_THAT(error(", file: p.txt"), HasSubstr("nobody says min_chars (1000) characters and more than 80"));
  EXPECT_THAT(error(", file: cut.txt"), HasSubstr("cut.txt.gz"));
  EXPECT_THAT(error(""),
              HasSubstr("run `fedloom data get shakespeare`, or let FEDLOOM_DATA name a folder with "
                        "tinyshakespeare/input.txt"));
}

}  // namespace
}  // namespace fedloom
