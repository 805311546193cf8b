// Learning rates over time, worked out by hand.
#include "core/schedule.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace fedloom {
namespace {

std::vector<double> rates(const Schedule& schedule, double base, std::int64_t horizon,
                          std::int64_t times = 0) {
  std::vector<double> rates;
  for (std::int64_t t = 0; t < (times > 0 ? times : horizon); ++t)
    rates.push_back(scheduled_rate(schedule, base, t, horizon));
  return rates;
}

void expect_near(const std::vector<double>& found, const std::vector<double>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t t = 0; t < found.size(); ++t) EXPECT_NEAR(found[t], expected[t], 1e-12) << "time " << t;
}

TEST(Schedule, ConstantIsTheBaseRate) {
  expect_near(rates({}, 0.3, 3), {0.3, 0.3, 0.3});
  EXPECT_TRUE(Schedule{}.is_constant());
  EXPECT_FALSE(Schedule{.warmup = 1}.is_constant());
  EXPECT_FALSE(Schedule{.shape = ScheduleShape::step}.is_constant());
}

// Four times below the full rate: 1/5, 2/5, 3/5, 4/5 of it, then all of it.
TEST(Schedule, WarmupRisesInALineToTheFullRate) {
  expect_near(rates({.warmup = 4}, 0.5, 6), {0.1, 0.2, 0.3, 0.4, 0.5, 0.5});
  // A horizon that ends first never reaches it.
  expect_near(rates({.warmup = 4}, 0.5, 2), {0.1, 0.2});
}

// A tenth after every third time, as StepLR(step_size=3, gamma=0.1).
TEST(Schedule, StepFallsByGamma) {
  expect_near(rates({.shape = ScheduleShape::step, .every = 3, .gamma = 0.1}, 2.0, 8),
              {2.0, 2.0, 2.0, 0.2, 0.2, 0.2, 0.02, 0.02});
}

// CosineAnnealingLR(T_max=4, eta_min=0.1) from 0.9: 0.1 + 0.8 (1 + cos(pi t / 4)) / 2, with cos 1, sqrt(1/2),
// 0, -sqrt(1/2). At the horizon and after it the rate is eta_min.
TEST(Schedule, CosineGoesToTheLowestRate) {
  const double half = 0.4 * std::sqrt(0.5);
  expect_near(rates({.shape = ScheduleShape::cosine, .min_lr = 0.1}, 0.9, 4, 6),
              {0.9, 0.5 + half, 0.5, 0.5 - half, 0.1, 0.1});
}

TEST(Schedule, CosineWithoutALowestRateStaysAboveZero) {
  for (const double rate : rates({.shape = ScheduleShape::cosine}, 1e-3, 1000)) EXPECT_GT(rate, 0.0);
  // A base rate below min_lr (after decay by rounds, say) is kept and not raised.
  expect_near(rates({.shape = ScheduleShape::cosine, .min_lr = 0.1}, 0.01, 3), {0.01, 0.01, 0.01});
}

// Warm-up 1/3, 2/3; then the shapes count from its end: step every 2, and cosine over the 6 - 2 that are
// left.
TEST(Schedule, ShapesCountFromTheEndOfTheWarmup) {
  expect_near(rates({.shape = ScheduleShape::step, .warmup = 2, .every = 2, .gamma = 0.5}, 3.0, 7),
              {1.0, 2.0, 3.0, 3.0, 1.5, 1.5, 0.75});
  const double half = 1.5 * std::sqrt(0.5);
  expect_near(rates({.shape = ScheduleShape::cosine, .warmup = 2}, 3.0, 6),
              {1.0, 2.0, 3.0, 1.5 + half, 1.5, 1.5 - half});
}

TEST(Schedule, ShapesHaveNames) {
  EXPECT_EQ(schedule_shape("constant"), ScheduleShape::constant);
  EXPECT_EQ(schedule_shape("step"), ScheduleShape::step);
  EXPECT_EQ(schedule_shape("cosine"), ScheduleShape::cosine);
}

}  // namespace
}  // namespace fedloom
