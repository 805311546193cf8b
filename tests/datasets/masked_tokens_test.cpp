// Which tokens are hidden, how many, and what is read in their place: counts over many draws from fixed
// seeds, and what must never happen.
#include "datasets/masked_tokens.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/joined_examples.hpp"
#include "datasets/token_examples.hpp"
#include "datasets/tokenizer.hpp"

namespace fedloom {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

constexpr std::int64_t kLength = 20;
constexpr std::int64_t kVocabulary = 102;  // 100 known words

std::shared_ptr<const MaskedTokens> masked(const std::vector<std::vector<std::int32_t>>& texts,
                                           const MaskingRule& rule = {}) {
  const auto store =
      std::make_shared<TokenExamples>(DataSpec{.shape = {kLength}, .classes = 1, .vocabulary = kVocabulary});
  for (const auto& text : texts) store->add(text, 0);
  return std::make_shared<MaskedTokens>(store, rule);
}

// A text of `real` words: 2, 3, 4 …
std::vector<std::int32_t> words(std::int32_t real) {
  std::vector<std::int32_t> text;
  for (std::int32_t i = 0; i < real; ++i) text.push_back(2 + i);
  return text;
}

struct Rows {
  Rows(const Examples& examples, std::span<const std::uint32_t> indices, Random* draws)
      : tokens(indices.size() * kLength),
        mask(tokens.size()),
        places(indices.size() * static_cast<std::size_t>(examples.spec().predictions), 77),
        targets(places) {
    examples.gather_masked(indices, draws, {tokens.data(), mask.data(), places.data(), targets.data()});
  }
  Rows(const Examples& examples, std::uint32_t index, Random* draws)
      : Rows(examples, std::span(&index, 1), draws) {}
  bool operator==(const Rows&) const = default;

  std::vector<std::int32_t> tokens;
  std::vector<std::uint8_t> mask;
  std::vector<std::int32_t> places;
  std::vector<std::int32_t> targets;
};

TEST(MaskedTokens, TellsModelsWhatIsAsked) {
  // 15 % of 20 are 3.
  const auto examples = masked({words(20)});
  EXPECT_EQ(examples->spec(),
            (DataSpec{.shape = {kLength}, .classes = 1, .vocabulary = kVocabulary, .predictions = 3}));
  EXPECT_EQ((MaskingRule{}.predictions(1)), 1);
  EXPECT_EQ((MaskingRule{}.predictions(9)), 1);     // 1.35
  EXPECT_EQ((MaskingRule{}.predictions(10)), 2);    // 1.5
  EXPECT_EQ((MaskingRule{}.predictions(128)), 19);  // 19.2
}

TEST(MaskedTokens, NothingElseChanges) {
  const auto examples = masked({words(20), words(7)});
  Random draws(1, Stream::masking);
  for (int turn = 0; turn < 200; ++turn)
    for (const std::uint32_t i : {0U, 1U}) {
      const Rows rows(*examples, i, &draws);
      const std::size_t real = i == 0 ? 20 : 7;
      const std::size_t told = i == 0 ? 3 : 1;
      EXPECT_EQ(std::count(rows.mask.begin(), rows.mask.end(), 1), static_cast<std::ptrdiff_t>(real));
      std::set<std::int32_t> places;
      for (std::size_t k = 0; k < 3; ++k) {
        if (k >= told) {
          EXPECT_EQ(rows.targets[k], -1);
          EXPECT_EQ(rows.places[k], 0);
          continue;
        }
        EXPECT_EQ(rows.targets[k], 2 + rows.places[k]);  // the word that stood there
        EXPECT_TRUE(places.insert(rows.places[k]).second) << "chosen twice";
      }
      for (std::int32_t t = 0; t < kLength; ++t) {
        const std::int32_t there = rows.tokens[static_cast<std::size_t>(t)];
        if (static_cast<std::size_t>(t) >= real)
          EXPECT_EQ(there, Vocabulary::kPadding);
        else if (!places.contains(t))
          EXPECT_EQ(there, 2 + t);
        else
          EXPECT_TRUE(there == Vocabulary::kHidden || (there >= 2 && there < kVocabulary)) << there;
      }
    }
}

// 60,000 choices: every position equally often (3/20 of 20,000 texts, deviation 50.5), 80 % hidden (deviation
// of the count 98), 10 % random (73.5), and of those 1 in 100 the word itself.
TEST(MaskedTokens, SharesAreThoseOfTheRule) {
  const auto examples = masked({words(20)});
  Random draws(7, Stream::masking);
  std::vector<int> chosen(kLength, 0);
  int hidden = 0;
  int same = 0;
  std::map<std::int32_t, int> random;
  for (int turn = 0; turn < 20'000; ++turn) {
    const Rows rows(*examples, 0, &draws);
    for (std::size_t k = 0; k < 3; ++k) {
      ++chosen[static_cast<std::size_t>(rows.places[k])];
      const std::int32_t there = rows.tokens[static_cast<std::size_t>(rows.places[k])];
      if (there == Vocabulary::kHidden)
        ++hidden;
      else if (there == rows.targets[k])
        ++same;
      else
        ++random[there];
    }
  }
  for (const int times : chosen) EXPECT_NEAR(times, 3000, 4 * 50.5);
  EXPECT_NEAR(hidden, 48'000, 4 * 98);
  EXPECT_NEAR(same, 6060, 4 * 74);
  int others = 0;
  for (const auto& [word, times] : random) others += times;
  EXPECT_NEAR(others, 5940, 4 * 74);
  EXPECT_EQ(random.size(), 100U);  // every known word, each about 60 times
  for (const auto& [word, times] : random) EXPECT_NEAR(times, 59.4, 5 * 7.7) << word;
}

TEST(MaskedTokens, UnknownTokensAreNotAsked) {
  const auto examples = masked({{1, 1, 1, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}});
  Random draws(3, Stream::masking);
  for (int turn = 0; turn < 50; ++turn) {
    const Rows rows(*examples, 0, &draws);
    EXPECT_THAT(rows.targets, ElementsAre(9, -1, -1));
    EXPECT_THAT(rows.places, ElementsAre(3, 0, 0));
  }
}

TEST(MaskedTokens, AllMayBeHiddenOrLeft) {
  Random draws(3, Stream::masking);
  const Rows all(*masked({words(20)}, {.share = 1.0, .hidden = 1.0, .random = 0.0}), 0, &draws);
  EXPECT_THAT(all.tokens, Each(Vocabulary::kHidden));
  EXPECT_EQ(all.targets, words(20));
  const Rows none(*masked({words(20)}, {.share = 1.0, .hidden = 0.0, .random = 0.0}), 0, &draws);
  EXPECT_EQ(none.tokens, words(20));
  EXPECT_EQ(none.targets, words(20));
}

TEST(MaskedTokens, DrawsDecideInTrainingAndNothingInEvaluation) {
  const auto examples = masked({words(20), words(19), words(18)});
  const std::vector<std::uint32_t> all = {0, 1, 2};
  const auto drawn = [&](std::uint64_t seed, std::uint32_t task) {
    Random draws(seed, Stream::masking, 5, task);
    return Rows(*examples, all, &draws);
  };
  EXPECT_EQ(drawn(1, 1), drawn(1, 1));
  EXPECT_NE(drawn(1, 1), drawn(1, 2));
  EXPECT_NE(drawn(1, 1), drawn(2, 1));
  // In evaluation an example has its hidden tokens, whoever asks and with which others.
  const Rows together(*examples, all, nullptr);
  for (const std::uint32_t i : all) {
    const Rows alone(*examples, i, nullptr);
    EXPECT_TRUE(std::equal(alone.places.begin(), alone.places.end(), together.places.begin() + 3 * i)) << i;
    EXPECT_TRUE(std::equal(alone.tokens.begin(), alone.tokens.end(), together.tokens.begin() + kLength * i));
  }
  // Also when stores were joined.
  const JoinedExamples joined({masked({words(9)}), examples});
  EXPECT_EQ(Rows(joined, std::vector<std::uint32_t>{1, 2, 3}, nullptr), together);

  std::vector<std::int32_t> tokens(kLength);
  std::vector<std::uint8_t> mask(kLength);
  std::int32_t label = 9;
  examples->gather_tokens(std::span(all).first(1), tokens.data(), mask.data(), &label);
  EXPECT_EQ(tokens, words(20));
  EXPECT_EQ(label, 0);
}

}  // namespace
}  // namespace fedloom
