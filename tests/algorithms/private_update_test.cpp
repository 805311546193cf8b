// Updates made private: norms by hand, noise against its distribution at fixed seeds, the adaptive bound
// against the rule of its paper.
#include "algorithms/privacy/private_update.hpp"

#include <cmath>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fedloom::testing {
namespace {

Update update_of(FloatBuffer delta) {
  Update update;
  update.slots.push_back(Payload::from("delta", Tensor::vector(std::move(delta))));
  return update;
}

struct Client {
  explicit Client(const TaskPrivacy& privacy, std::uint64_t secret = 1) {
    task.id = {4, 2};
    run.task = &task;
    run.secret = secret;
    run.recipe.privacy = privacy;
  }
  Task task;
  TaskRun run;
};

std::vector<float> values(const Update& update) {
  const auto span = update.slots.front().values();
  return {span.begin(), span.end()};
}

// |(3, 4)| = 5: halved for a norm of 2.5, untouched for 5.
TEST(PrivateUpdate, IsClippedToTheNorm) {
  Update longer = update_of({3, 4});
  privacy::make_private(Client({.update_clip = 2.5}).run, longer);
  EXPECT_NEAR(values(longer)[0], 1.5, 1e-5);
  EXPECT_NEAR(values(longer)[1], 2.0, 1e-5);
  EXPECT_LE(std::hypot(values(longer)[0], values(longer)[1]), 2.5);
  Update within = update_of({3, 4});
  privacy::make_private(Client({.update_clip = 5.0}).run, within);
  EXPECT_THAT(values(within), ::testing::ElementsAre(3, 4));
  EXPECT_TRUE(within.scalars.empty());
}

// Over many sizes the floats never end up longer than the bound.
TEST(PrivateUpdate, RoundingStaysWithinTheNorm) {
  Random random(2, Stream::strategy);
  for (std::size_t size = 1; size < 3000; size = size * 2 + 1) {
    FloatBuffer delta(size);
    for (float& value : delta) value = static_cast<float>(random.normal(0.0, 10.0));
    Update update = update_of(delta);
    privacy::make_private(Client({.update_clip = 0.7}).run, update);
    double square = 0.0;
    for (const float value : values(update))
      square += static_cast<double>(value) * static_cast<double>(value);
    EXPECT_LE(std::sqrt(square), 0.7) << size;
    EXPECT_GT(std::sqrt(square), 0.6999) << size;
  }
}

// Noise of 2 * 0.5 = 1 on 200,000 zeros, in bounds of five standard errors.
TEST(PrivateUpdate, NoiseOfTheClientHasItsDeviation) {
  constexpr std::size_t kCount = 200'000;
  Update update = update_of(FloatBuffer(kCount, 0.0F));
  privacy::make_private(Client({.update_clip = 0.5, .update_noise = 2.0}).run, update);
  double sum = 0.0, square = 0.0;
  for (const double value : values(update)) {
    sum += value;
    square += value * value;
  }
  EXPECT_NEAR(sum / kCount, 0.0, 5 / std::sqrt(double{kCount}));
  EXPECT_NEAR(square / kCount, 1.0, 5 * std::sqrt(2.0 / kCount));
  Update again = update_of(FloatBuffer(kCount, 0.0F));
  privacy::make_private(Client({.update_clip = 0.5, .update_noise = 2.0}).run, again);
  EXPECT_EQ(values(again), values(update)) << "a task that is run again is the same";
  Update other = update_of(FloatBuffer(kCount, 0.0F));
  privacy::make_private(Client({.update_clip = 0.5, .update_noise = 2.0}, 9).run, other);
  EXPECT_NE(values(other), values(update));
}

TEST(PrivateUpdate, SaysWhetherItWasWithinTheNormWhereAsked) {
  Update within = update_of({3, 4});
  privacy::make_private(Client({.update_clip = 5.0, .counts_clipped = true}).run, within);
  EXPECT_EQ(within.scalars.at(privacy::kWithinClip), 0.5);
  Update beyond = update_of({3, 4});
  privacy::make_private(Client({.update_clip = 4.9, .counts_clipped = true}).run, beyond);
  EXPECT_EQ(beyond.scalars.at(privacy::kWithinClip), -0.5);
}

TEST(PrivateUpdate, RefusesWhatTheNormDoesNotCover) {
  Update two = update_of({3, 4});
  two.slots.push_back(Payload::from("control_delta", Tensor::vector({1.0F})));
  EXPECT_THROW(privacy::make_private(Client({.update_clip = 1.0}).run, two), UserError);
  Update told = update_of({3, 4});
  told.scalars["pruned"] = 3.0;
  EXPECT_THROW(privacy::make_private(Client({.update_clip = 1.0}).run, told), UserError);
}

PhaseSum sum_for(std::size_t size) {
  Phase phase;
  phase.slots.push_back({.name = "delta", .size = size});
  return empty_sum(phase, 1.0, 11.0, 11);
}

// One more term of the sum: mean and variance in bounds of five standard errors, and the same again.
TEST(PrivateSum, NoiseOfTheServerIsOneMoreTerm) {
  constexpr std::size_t kCount = 200'000;
  PhaseSum sum = sum_for(kCount);
  sum.slots.at("delta").sum.add(FloatBuffer(kCount, 4.0F), 1);
  Random random(1, Stream::noise);
  privacy::add_noise(sum, 3.0, random);
  double total = 0.0, square = 0.0;
  for (std::size_t i = 0; i < kCount; ++i) {
    const double noise = sum.slot("delta").total(i) - 4.0;
    total += noise;
    square += noise * noise;
  }
  EXPECT_NEAR(total / kCount, 0.0, 5 * 3 / std::sqrt(double{kCount}));
  EXPECT_NEAR(square / kCount, 9.0, 9 * 5 * std::sqrt(2.0 / kCount));
}

TEST(PrivateSum, NoiseThatDoesNotFitIsRefused) {
  PhaseSum sum = sum_for(100);
  Random random(1, Stream::noise);
  EXPECT_THROW(privacy::add_noise(sum, 2000.0, random), UserError);
}

// Andrew et al., theorem 1: 1 / z^2 = 1 / z_delta^2 + 1 / (2 sigma_b)^2. With z = 1 and sigma_b = 1 the sum
// gets (1 - 1/4)^(-1/2) = 1.1547; a count that is hardly used costs next to nothing.
TEST(AdaptiveClip, TheCountTakesItsShareOfTheNoise) {
  EXPECT_NEAR((privacy::AdaptiveClip{.count_noise = 1.0}.sum_noise(1.0)), 1.0 / std::sqrt(0.75), 1e-12);
  EXPECT_NEAR((privacy::AdaptiveClip{.count_noise = 1e6}.sum_noise(0.7)), 0.7, 1e-9);
}

// 100 clients of whom 80 were within (a count of 80/2 - 20/2 = 30): b = 0.8. With gamma = 1/2 and eta = 0.2
// the norm shrinks by exp(-0.06); with all beyond it (-50) it grows by exp(0.1).
TEST(AdaptiveClip, FollowsTheQuantile) {
  const privacy::AdaptiveClip adaptive{.quantile = 0.5, .rate = 0.2, .count_noise = 0.0};
  Random random(1, Stream::noise);
  EXPECT_NEAR(adaptive.next(2.0, 30.0, 100.0, random), 2.0 * std::exp(-0.06), 1e-12);
  EXPECT_NEAR(adaptive.next(2.0, -50.0, 100.0, random), 2.0 * std::exp(0.1), 1e-12);
}

// Norms that are uniform in (0, 1): from 10 and from 0.01 the bound ends near the quantile it was given.
TEST(AdaptiveClip, EndsNearTheQuantileFromAnywhere) {
  for (const double quantile : {0.3, 0.5, 0.8})
    for (double clip : {10.0, 0.01}) {
      const privacy::AdaptiveClip adaptive{.quantile = quantile, .rate = 0.2, .count_noise = 5.0};
      Random random(4, Stream::noise);
      for (int round = 0; round < 300; ++round) {
        double count = 0.0;
        for (int client = 0; client < 100; ++client) count += random.uniform() <= clip ? 0.5 : -0.5;
        clip = adaptive.next(clip, count, 100.0, random);
      }
      EXPECT_NEAR(clip, quantile, 0.1);
    }
}

}  // namespace
}  // namespace fedloom::testing
