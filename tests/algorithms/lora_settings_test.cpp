// Settings of the LoRA strategies that do not go together, or not with the model: refused, with their key.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/lora_hand.hpp"

namespace fedloom::testing {
namespace {

using ::testing::HasSubstr;

/// What a strategy with these settings says to a model of rank 2.
std::string refusal(const std::string& algorithm, const std::string& settings) {
  try {
    const LoraHand hand(algorithm, settings, {.layers = {{3, 3}}, .rank = 2});
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(LoraSettings, RanksAreOneOrMoreAndTheirPlaceIsTold) {
  EXPECT_THAT(refusal("flora", "ranks: [1, 0, 2]"), HasSubstr("test.yaml:1:12: ranks[1]: 0 "));
}

TEST(LoraSettings, TheLargestRankIsTheAdapters) {
  for (const char* algorithm : {"fedit", "flora", "flexlora", "hetlora"})
    for (const char* ranks : {"ranks: [1, 1]", "ranks: [1, 3]"})
      EXPECT_THAT(refusal(algorithm, ranks), HasSubstr("adapter.rank is 2")) << algorithm;
  EXPECT_EQ(refusal("flora", "ranks: [1, 2]"), "");
}

TEST(LoraSettings, NothingIsPrunedToMoreThanTheRank) {
  EXPECT_THAT(refusal("hetlora", "min_rank: 3"), HasSubstr("strategy.min_rank: 3 is above adapter.rank, 2"));
  EXPECT_EQ(refusal("hetlora", "min_rank: 2"), "");
}

TEST(LoraSettings, LeastSquaresHaveNeitherCosineNorStart) {
  EXPECT_THAT(refusal("lora_fair", "{solver: closed_form, cosine: columns}"), HasSubstr("strategy.cosine"));
  EXPECT_THAT(refusal("lora_fair", "{solver: closed_form, init: xavier}"), HasSubstr("strategy.init"));
  EXPECT_EQ(refusal("lora_fair", "{solver: closed_form, lambda: 1}"), "");
}

}  // namespace
}  // namespace fedloom::testing
