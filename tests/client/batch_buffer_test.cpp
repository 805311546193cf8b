// Batches of the three forms of examples, and buffers that serve batches of changing size.
#include "client/batch_buffer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/masked_tokens.hpp"
#include "datasets/table_examples.hpp"
#include "datasets/token_examples.hpp"

namespace fedloom {
namespace {

using ::testing::ElementsAre;
using Numbers = std::vector<std::uint32_t>;

TEST(BatchBuffer, GathersFloatFeatures) {
  const TableExamples table(DataSpec{{2}, 3, 0}, FloatBuffer{1, 2, 3, 4, 5, 6}, {0, 1, 2});
  BatchBuffer buffer;
  for (const Numbers& indices : {Numbers{2, 0}, Numbers{1}, Numbers{0, 1, 2}}) {
    const Batch batch = buffer.gather(table, indices);
    ASSERT_EQ(batch.size, indices.size());
    EXPECT_EQ(batch.tokens, nullptr);
    EXPECT_EQ(batch.judged(), indices.size());
    for (std::size_t i = 0; i < indices.size(); ++i) {
      EXPECT_EQ(batch.features[2 * i], static_cast<float>(2 * indices[i] + 1));
      EXPECT_EQ(batch.targets[i], static_cast<std::int32_t>(indices[i]));
    }
    EXPECT_EQ(buffer.features(), batch.features);
  }
}

TEST(BatchBuffer, GathersTokensWithALabelOrHidden) {
  const auto texts = std::make_shared<TokenExamples>(DataSpec{.shape = {4}, .classes = 2, .vocabulary = 9});
  texts->add(std::vector<std::int32_t>{2, 3, 4, 5}, 1);
  texts->add(std::vector<std::int32_t>{6, 7}, 0);
  BatchBuffer buffer;
  const Batch plain = buffer.gather(*texts, Numbers{1, 0});
  EXPECT_THAT(std::span(plain.tokens, 8), ElementsAre(6, 7, 0, 0, 2, 3, 4, 5));
  EXPECT_THAT(std::span(plain.mask, 8), ElementsAre(1, 1, 0, 0, 1, 1, 1, 1));
  EXPECT_THAT(plain.labels(), ElementsAre(0, 1));
  EXPECT_EQ(plain.places, nullptr);

  // Half of the tokens are to be told: two of four, one of two.
  const MaskedTokens masked(texts, {.share = 0.5, .hidden = 1.0, .random = 0.0});
  Random draws(1, Stream::masking);
  const Batch hidden = buffer.gather(masked, Numbers{1, 0}, &draws);
  EXPECT_EQ(hidden.targets_each, 2U);
  EXPECT_EQ(hidden.judged(), 3U);
  EXPECT_EQ(hidden.judged(0), 1U);
  for (std::size_t i = 0; i < 4; ++i) {
    if (hidden.targets[i] == kNoTarget) continue;
    const std::size_t at = i / 2 * 4 + static_cast<std::size_t>(hidden.places[i]);
    EXPECT_EQ(hidden.tokens[at], 0);
    EXPECT_EQ(hidden.targets[i], (i < 2 ? 6 : 2) + hidden.places[i]);
  }

  // Without draws it is the same batch every time; draws that have gone on give another.
  const auto targets = [&](Random* random) {
    const auto labels = buffer.gather(masked, Numbers{0, 0, 0, 0, 0, 0}, random).labels();
    return std::vector(labels.begin(), labels.end());
  };
  EXPECT_EQ(targets(nullptr), targets(nullptr));
  EXPECT_NE(targets(&draws), targets(&draws));
}

}  // namespace
}  // namespace fedloom
