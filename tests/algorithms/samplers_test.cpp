// Samplers: a conformance suite over the registry, and the distributions of the drawing ones. The draws are
// keyed, so the counts are the same in every run; bounds are five standard deviations.
#include <algorithm>
#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "algorithms/sampler.hpp"

namespace fedloom {
namespace {

std::unique_ptr<Sampler> make_sampler(const std::string& name) {
  return SamplerRegistry::instance().find(name, "sampler").make(ConfigNode::from_text("{}", "test.yaml"));
}

Candidates candidates(std::uint64_t population) {
  Candidates candidates;
  candidates.population = population;
  candidates.examples = [](ClientId client) { return 1 + client % 7; };
  return candidates;
}

class EverySampler : public ::testing::TestWithParam<std::string> {};

TEST_P(EverySampler, ChoosesDistinctEligibleClientsInOrder) {
  const auto sampler = make_sampler(GetParam());
  for (const std::uint64_t modulus : {1U, 2U, 17U}) {
    Candidates some = candidates(200);
    if (modulus > 1) some.eligible = [modulus](ClientId client) { return client % modulus == 0; };
    for (std::uint32_t round = 1; round <= 20; ++round) {
      Random random(9, Stream::sampling, round);
      const auto chosen = sampler->choose(some, 8, random);
      EXPECT_TRUE(chosen.size() >= 8U || sampler->independent()) << chosen.size();
      EXPECT_TRUE(std::is_sorted(chosen.begin(), chosen.end()));
      EXPECT_EQ(std::adjacent_find(chosen.begin(), chosen.end()), chosen.end());
      for (const ClientId client : chosen) {
        EXPECT_LT(client, 200U);
        EXPECT_EQ(client % modulus, 0U);
      }
    }
  }
}

TEST_P(EverySampler, DependsOnItsRandomnessAlone) {
  const auto sampler = make_sampler(GetParam());
  const auto again = make_sampler(GetParam());
  Random first(3, Stream::sampling, 5);
  Random second(3, Stream::sampling, 5);
  EXPECT_EQ(sampler->choose(candidates(1000), 50, first), again->choose(candidates(1000), 50, second));
}

TEST_P(EverySampler, GivesAllWhenFewerAreEligible) {
  Candidates few = candidates(1000);
  few.eligible = [](ClientId client) { return client == 3 || client == 500 || client == 999; };
  Random random(1, Stream::sampling);
  const auto sampler = make_sampler(GetParam());
  const auto chosen = sampler->choose(few, 10, random);
  EXPECT_TRUE(sampler->independent() || chosen == (std::vector<ClientId>{3, 500, 999}));
}

TEST_P(EverySampler, GivesNobodyWhenNobodyIsEligible) {
  Candidates none = candidates(50);
  none.eligible = [](ClientId) { return false; };
  Random random(1, Stream::sampling);
  EXPECT_TRUE(make_sampler(GetParam())->choose(none, 10, random).empty());
}

INSTANTIATE_TEST_SUITE_P(Registry, EverySampler, ::testing::ValuesIn(SamplerRegistry::instance().names()),
                         [](const auto& name) { return name.param; });

// 4000 draws with probability 5 / 20: sizes are binomial, each client comes 1000 times (sd 27.4), two given
// ones together 250 times (sd 15.3), and (3/4)^20 = 0.3 % of the draws have nobody.
TEST(PoissonSampler, EveryClientByACoinOfItsOwn) {
  const auto sampler = make_sampler("poisson");
  std::map<ClientId, int> counts;
  int together = 0, empty = 0;
  double square = 0.0;
  for (std::uint32_t round = 1; round <= 4000; ++round) {
    Random random(1, Stream::sampling, round);
    const auto chosen = sampler->choose(candidates(20), 5, random);
    for (const ClientId client : chosen) ++counts[client];
    together +=
        std::count(chosen.begin(), chosen.end(), 3) + std::count(chosen.begin(), chosen.end(), 4) == 2;
    empty += chosen.empty() ? 1 : 0;
    square += std::pow(static_cast<double>(chosen.size()) - 5.0, 2);
  }
  for (const auto& [client, count] : counts) EXPECT_NEAR(count, 1000, 5 * 27.4) << client;
  EXPECT_NEAR(together, 250, 5 * 15.3);
  EXPECT_NEAR(empty, 12.7, 5 * 3.6);
  EXPECT_NEAR(square / 4000, 20 * 0.25 * 0.75, 0.5);
  EXPECT_EQ(sampler->expected(5, 20), 5U);
  Random random(1, Stream::sampling);
  EXPECT_EQ(sampler->choose(candidates(3), 9, random).size(), 3U) << "with probability one";
  EXPECT_TRUE(sampler->choose(candidates(3), 0, random).empty());
}

TEST(AllSampler, IsIndependentOfWhatIsAskedFor) {
  const auto sampler = make_sampler("all");
  Random random(1, Stream::sampling);
  EXPECT_EQ(sampler->choose(candidates(5), 2, random).size(), 5U);
  EXPECT_TRUE(sampler->independent());
  EXPECT_EQ(sampler->expected(2, 5), 5U);
}

TEST(UniformSampler, EveryClientIsAsLikely) {
  // 4000 draws of 5 of 20: each client 1000 times, sd = sqrt(4000 * 1/4 * 3/4) = 27.4. With and without a
  // filter that keeps most (drawn and rejected) or few (listed).
  const auto sampler = make_sampler("uniform");
  for (const std::uint64_t stride : {0U, 1U, 50U}) {
    Candidates some = candidates(std::max<std::uint64_t>(1, stride) * 20);
    if (stride > 0) some.eligible = [stride](ClientId client) { return client % stride == 0; };
    std::map<ClientId, int> counts;
    for (std::uint32_t round = 1; round <= 4000; ++round) {
      Random random(stride, Stream::sampling, round);
      for (const ClientId client : sampler->choose(some, 5, random)) ++counts[client];
    }
    ASSERT_EQ(counts.size(), 20U);
    for (const auto& [client, count] : counts) EXPECT_NEAR(count, 1000, 137) << client;
  }
}

TEST(UniformSampler, TakesExactlyAsManyAsAsked) {
  Random random(1, Stream::sampling);
  EXPECT_EQ(make_sampler("uniform")->choose(candidates(1'000'000), 100, random).size(), 100U);
  EXPECT_EQ(make_sampler("uniform")->choose(candidates(10), 100, random).size(), 10U);
}

TEST(WeightedSampler, FirstDrawsAreProportional) {
  // One of three with 1, 2 and 5 examples: probabilities 1/8, 2/8, 5/8 over 8000 draws, sd below 43.4.
  const auto sampler = make_sampler("weighted");
  Candidates three = candidates(3);
  three.examples = [](ClientId client) { return std::uint64_t{client == 0 ? 1U : client == 1 ? 2U : 5U}; };
  std::map<ClientId, int> counts;
  for (std::uint32_t round = 1; round <= 8000; ++round) {
    Random random(1, Stream::sampling, round);
    for (const ClientId client : sampler->choose(three, 1, random)) ++counts[client];
  }
  EXPECT_NEAR(counts[0], 1000, 217);
  EXPECT_NEAR(counts[1], 2000, 217);
  EXPECT_NEAR(counts[2], 5000, 217);
}

TEST(WeightedSampler, TwoOfThreeWithoutReplacement) {
  // Left out of two successive draws from weights 1, 1, 2: client 2 is missed with 1/4 * 1/3 * 2 = 1/6, the
  // others with (1 - 1/6) / 2 = 5/12 each. Over 6000 draws: 1000 and 2500, sd below 38.2.
  const auto sampler = make_sampler("weighted");
  Candidates three = candidates(3);
  three.examples = [](ClientId client) { return std::uint64_t{client == 2 ? 2U : 1U}; };
  std::map<ClientId, int> missed;
  for (std::uint32_t round = 1; round <= 6000; ++round) {
    Random random(2, Stream::sampling, round);
    const auto chosen = sampler->choose(three, 2, random);
    ASSERT_EQ(chosen.size(), 2U);
    ++missed[3 - chosen[0] - chosen[1]];
  }
  EXPECT_NEAR(missed[2], 1000, 191);
  EXPECT_NEAR(missed[0], 2500, 191);
  EXPECT_NEAR(missed[1], 2500, 191);
}

TEST(WeightedSampler, NeverTakesAClientWithoutExamples) {
  Candidates some = candidates(10);
  some.examples = [](ClientId client) { return std::uint64_t{client < 4 ? 0U : 3U}; };
  Random random(1, Stream::sampling);
  EXPECT_EQ(make_sampler("weighted")->choose(some, 10, random), (std::vector<ClientId>{4, 5, 6, 7, 8, 9}));
}

TEST(AllSampler, TakesEveryone) {
  Random random(1, Stream::sampling);
  EXPECT_EQ(make_sampler("all")->choose(candidates(5), 2, random), (std::vector<ClientId>{0, 1, 2, 3, 4}));
}

}  // namespace
}  // namespace fedloom
