// The source of texts with hidden tokens: which texts it reads, how it cuts and holds them back, and that the
// task it prepares for reads words the same way.
#include <algorithm>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/federation.hpp"
#include "tests/datasets/sample_files.hpp"

namespace fedloom {
namespace {

using samples::error_of;
using samples::Folder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Tokens = std::vector<std::int32_t>;

DataConfig parse(const std::string& yaml) {
  return read_config<DataConfig>(ConfigNode::from_text(yaml, "exp.yaml"));
}

Tokens row_of(const Examples& examples, std::uint32_t i) {
  const auto length = static_cast<std::size_t>(examples.spec().width());
  Tokens tokens(length);
  std::vector<std::uint8_t> mask(length);
  std::int32_t label = 0;
  examples.gather_tokens(std::span(&i, 1), tokens.data(), mask.data(), &label);
  tokens.resize(static_cast<std::size_t>(std::count(mask.begin(), mask.end(), 1)));
  return tokens;
}

class MaskedTexts : public ::testing::Test {
 protected:
  std::shared_ptr<const FederatedData> data(const std::string& texts, const std::string& more = "") const {
    return load_federated_data(
        parse("{source: {name: masked_texts, texts: " + texts + more + "}, partition: iid, clients: 1}"), 1,
        folder_.path());
  }
  static std::string all_of(const std::string& file) {
    return "{name: text, train: " + file + ", test_share: 0}";
  }

  Folder folder_;
};

// Counted: b 4, a 3, then c d e f g once each by text: b 2, a 3, c 4 … g 8.
TEST_F(MaskedTexts, JoinsSourcesAndCutsTheirTexts) {
  folder_.write("one.tsv", "0\ta b a b\n1\tc\n");
  folder_.write("two.tsv", "x\td e f b a b g\n");
  const auto found = data("[" + all_of("one.tsv") + ", " + all_of("two.tsv") + "]",
                          ", length: 4, shortest: 3, test_share: 0");
  EXPECT_EQ(found->spec().vocabulary, 9);
  EXPECT_EQ(found->spec().predictions, 1);
  EXPECT_EQ(found->spec().classes, 2);  // one for each source
  const Examples& examples = *found->client(0).examples;
  ASSERT_EQ(examples.size(), 3U);  // "c" is too short
  EXPECT_EQ(row_of(examples, 0), (Tokens{3, 2, 3, 2}));
  EXPECT_EQ(row_of(examples, 1), (Tokens{5, 6, 7, 2}));
  EXPECT_EQ(row_of(examples, 2), (Tokens{3, 2, 8}));
  EXPECT_THAT((Tokens{examples.label(0), examples.label(1), examples.label(2)}), ElementsAre(0, 1, 1));
}

TEST_F(MaskedTexts, LeavesOutWhatHasNothingToTell) {
  folder_.write("one.tsv", "0\ta a a\n0\tx y z\n0\ta b x\n");
  const auto found = data(all_of("one.tsv"), ", length: 3, shortest: 1, test_share: 0, min_count: 2");
  const Examples& examples = *found->client(0).examples;  // a and x are known
  ASSERT_EQ(examples.size(), 3U);
  EXPECT_EQ(row_of(examples, 1), (Tokens{3, 1, 1}));
  EXPECT_EQ(data(all_of("one.tsv"), ", length: 2, shortest: 1, test_share: 0, min_count: 3")
                ->client(0)
                .examples->size(),
            3U);  // a alone is known: "a a", "a", "a b"
}

// A text is tested whole, and its words are not counted. Each text is four times its own word.
TEST_F(MaskedTexts, TestsOnWholeTexts) {
  std::string lines;
  for (int i = 0; i < 40; ++i) lines += fmt::format("0\tw{0} w{0} w{0} w{0}\n", i);
  folder_.write("one.tsv", lines);
  const auto found = data(all_of("one.tsv"), ", length: 2, shortest: 2, test_share: 0.25");
  EXPECT_EQ(found->client(0).size(), 60U);
  EXPECT_EQ(found->spec().vocabulary, 32);
  EXPECT_EQ(found->test().size(), 0U);  // unknown words are nothing to tell
  const auto known = data(all_of("one.tsv"),
                          ", length: 2, shortest: 2, test_share: 0.25, vocabulary_of: " + all_of("one.tsv"));
  ASSERT_EQ(known->test().size(), 20U);
  std::set<std::int32_t> tested;
  for (const std::uint32_t i : known->test().indices)
    tested.insert(row_of(*known->test().examples, i).front());
  EXPECT_EQ(tested.size(), 10U);
  const ExampleView trained = known->client(0);
  for (const std::uint32_t i : trained.indices)
    EXPECT_FALSE(tested.contains(row_of(*trained.examples, i).front()));
}

TEST_F(MaskedTexts, ReadsWordsAsTheTaskThatFollows) {
  folder_.write("one.tsv", "0\ta b a b\n1\tb c\n");
  folder_.write("two.tsv", "x\td e f b a b g\n");
  const std::string words = ", length: 4, test_share: 0, vocabulary_of: " + all_of("one.tsv");
  const auto pretraining = data("[" + all_of("two.tsv") + "]", words);
  const auto task = load_federated_data(
      parse("{source: {name: text, train: one.tsv" + words + "}, clients: 1}"), 1, folder_.path());
  EXPECT_EQ(pretraining->spec().vocabulary_id, task->spec().vocabulary_id);
  EXPECT_EQ(pretraining->spec().vocabulary, task->spec().vocabulary);
  EXPECT_EQ(pretraining->spec().shape, task->spec().shape);
  EXPECT_EQ(row_of(*task->client(0).examples, 1), (Tokens{2, 4}));               // b c
  EXPECT_EQ(row_of(*pretraining->client(0).examples, 0), (Tokens{1, 1, 1, 2}));  // d e f b
}

TEST_F(MaskedTexts, SaysWhatIsWrong) {
  folder_.write("one.tsv", "0\ta b\n");
  const auto error = [&](const std::string& texts, const std::string& more = "") {
    return error_of([&] { data(texts, more); });
  };
  EXPECT_THAT(error("[]"), HasSubstr("data.source.texts: name at least one source"));
  EXPECT_THAT(error("mnist"), HasSubstr("texts: mnist has no texts"));
  EXPECT_THAT(error("[{train: x}]"), HasSubstr("needs a 'name'"));
  EXPECT_THAT(error("{name: text, train: none.tsv}"), HasSubstr("no file 'none.tsv'"));
  EXPECT_THAT(error(all_of("one.tsv"), ", hidden: 0.7, random: 0.4"), HasSubstr("at most 1 in all"));
  EXPECT_THAT(error(all_of("one.tsv"), ", shortest: 3"), HasSubstr("no text has `shortest` (3) tokens"));
  EXPECT_THAT(error(all_of("one.tsv"), ", min_count: 9"), HasSubstr("is min_count (9) too large?"));
  EXPECT_THAT(error_of([&] { load_local_data(parse("source: {name: masked_texts, texts: sst2}"), "x", 0); }),
              HasSubstr("pretrain in one place"));
}

}  // namespace
}  // namespace fedloom
