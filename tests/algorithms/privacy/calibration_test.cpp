// Noise for an epsilon: the published run lengths of FFA-LoRA (sigma_for_target in lora.json), the safe side,
// monotonicity, and what is refused.
#include "algorithms/privacy/calibration.hpp"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "tests/support/vectors.hpp"

namespace fedloom::privacy {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(Calibration, NoiseOfTheVectors) {
  const auto vectors = testing::read_vectors("lora.json");
  if (!vectors) GTEST_SKIP() << "lora.json is not here (FEDLOOM_VECTORS, FEDLOOM_DATA)";
  const auto& rows = vectors->at("dp_accounting").at("sigma_for_target");
  ASSERT_EQ(rows.size(), 12U);
  for (const auto& row : rows) {
    const double exact = row.at("sigma_rdp");
    const double noise =
        calibrated_noise(Accounting::rdp, row.at("eps"), row.at("delta"), row.at("q"), row.at("steps"));
    EXPECT_GE(noise, exact * (1.0 - 1e-9)) << row;
    EXPECT_LE(noise, exact * (1.0 + 1e-4)) << row;
    // That column was found to within 0.01 of epsilon, with bounds a few 1e-4 above ours.
    const double target = row.at("eps");
    const double epsilon = epsilon_of(Accounting::prv, row.at("sigma_opacus_prv_tol0.01"), row.at("q"),
                                      row.at("steps"), row.at("delta"));
    EXPECT_LE(epsilon, target) << row;
    EXPECT_GE(epsilon, target - 0.0105) << row;
  }
}

TEST(Calibration, IsEnoughAndHardlyMore) {
  struct Case {
    double epsilon, delta, q;
    std::int64_t steps;
  };
  for (const Accounting accounting : {Accounting::rdp, Accounting::prv})
    for (const Case& c :
         {Case{3.0, 1e-5, 0.01, 1000}, Case{0.5, 1e-6, 1.0, 10}, Case{8.0, 1e-5, 0.1, 300},
          Case{0.004, 1e-5, 0.01, 10}, Case{100.0, 1e-5, 1.0, 10}, Case{1e-3, 0.2, 0.5, 100}}) {
      const double noise = calibrated_noise(accounting, c.epsilon, c.delta, c.q, c.steps);
      EXPECT_LE(epsilon_of(accounting, noise, c.q, c.steps, c.delta), c.epsilon) << c.epsilon;
      EXPECT_GT(epsilon_of(accounting, noise * (1.0 - 1.01e-4), c.q, c.steps, c.delta), c.epsilon)
          << c.epsilon;
    }
}

TEST(Calibration, TheTightAccountNeedsLessNoise) {
  for (const double epsilon : {0.5, 2.0, 6.0})
    EXPECT_LT(calibrated_noise(Accounting::prv, epsilon, 1e-5, 0.02, 500),
              calibrated_noise(Accounting::rdp, epsilon, 1e-5, 0.02, 500));
}

class Monotone : public ::testing::TestWithParam<Accounting> {};

TEST_P(Monotone, EpsilonFallsWithNoiseAndDeltaAndGrowsWithStepsAndRate) {
  const auto epsilon = [](double noise, double rate, std::int64_t steps, double delta) {
    return epsilon_of(GetParam(), noise, rate, steps, delta);
  };
  // Steps of 2 % between the points: far above what the mesh rounds.
  double before = kInfinity;
  for (double noise = 0.4; noise < 8.0; noise *= 1.3) {
    const double now = epsilon(noise, 0.02, 400, 1e-5);
    EXPECT_LT(now, before) << "noise " << noise;
    before = now;
    EXPECT_GT(now, epsilon(noise, 0.02, 400, 2e-5)) << "noise " << noise;
    EXPECT_LT(now, epsilon(noise, 0.0204, 400, 1e-5)) << "noise " << noise;
    EXPECT_LT(now, epsilon(noise, 0.02, 408, 1e-5)) << "noise " << noise;
  }
  before = 0.0;
  for (double rate = 1e-3; rate <= 1.0; rate *= 2.0) {
    const double now = epsilon(2.0, rate, 100, 1e-5);
    EXPECT_GT(now, before) << "rate " << rate;
    before = now;
  }
  EXPECT_GT(epsilon(2.0, 1.0, 100, 1e-5), before);
  before = 0.0;
  for (std::int64_t steps = 1; steps < 100'000; steps *= 3) {
    const double now = epsilon(1.0, 0.01, steps, 1e-5);
    EXPECT_GT(now, before) << "steps " << steps;
    before = now;
  }
}

TEST_P(Monotone, ExtremesAreFiniteAndOrdered) {
  const auto epsilon = [](double noise, double rate, std::int64_t steps) {
    return epsilon_of(GetParam(), noise, rate, steps, 1e-5);
  };
  EXPECT_EQ(epsilon(0.0, 0.5, 1), kInfinity);
  EXPECT_EQ(epsilon(1e-200, 0.5, 1), kInfinity);
  EXPECT_LT(epsilon(1e-3, 0.5, 1), kInfinity);
  EXPECT_EQ(epsilon(0.0, 0.0, 1), 0.0);
  EXPECT_EQ(epsilon(0.0, 0.5, 0), 0.0);
  EXPECT_EQ(epsilon(1e9, 1.0, 1), 0.0);
  EXPECT_EQ(epsilon(1.0, 1e-12, 1'000'000), 0.0);
  double before = 0.0;
  for (const std::int64_t steps : {1'000'000, 10'000'000, 100'000'000}) {
    const double now = epsilon(1.0, 1e-4, steps);
    EXPECT_GT(now, before);
    EXPECT_LT(now, 1e3);
    before = now;
  }
  before = 0.0;
  for (const double noise : {0.5, 0.1, 0.02, 0.01}) {
    const double now = epsilon(noise, 0.5, 1000);
    EXPECT_GT(now, before);
    EXPECT_LT(now, 1e8);
    before = now;
  }
}

TEST_P(Monotone, CalibrationReachesAnyEpsilon) {
  const auto noise = [](double epsilon, double rate, std::int64_t steps) {
    return calibrated_noise(GetParam(), epsilon, 1e-5, rate, steps);
  };
  EXPECT_EQ(noise(1.0, 0.0, 10), 0.0);
  EXPECT_EQ(noise(1.0, 0.1, 0), 0.0);
  EXPECT_EQ(noise(1e9, 0.1, 10), 0.01);
  double before = 0.0;
  for (const double epsilon : {1000.0, 10.0, 0.1, 1e-3, 1e-9}) {
    const double now = noise(epsilon, 0.1, 10);
    EXPECT_GE(now, before) << epsilon;  // the last two need what makes delta alone enough
    EXPECT_TRUE(std::isfinite(now)) << epsilon;
    before = now;
  }
}

INSTANTIATE_TEST_SUITE_P(Both, Monotone, ::testing::Values(Accounting::rdp, Accounting::prv),
                         [](const auto& instance) {
                           return instance.param == Accounting::rdp ? "Rdp" : "Prv";
                         });

TEST(Calibration, RefusesWhatCannotBe) {
  using ::testing::HasSubstr;
  using ::testing::ThrowsMessage;
  const auto refuses = [](const auto& call, const char* text) {
    EXPECT_THAT(call, ThrowsMessage<UserError>(HasSubstr(text)));
  };
  for (const Accounting a : {Accounting::rdp, Accounting::prv}) {
    refuses([&] { epsilon_of(a, -1.0, 0.1, 10, 1e-5); }, "noise multiplier of -1");
    refuses([&] { epsilon_of(a, 1.0, 1.1, 10, 1e-5); }, "sample rate of 1.1");
    refuses([&] { epsilon_of(a, 1.0, 0.1, -1, 1e-5); }, "-1 steps");
    refuses([&] { epsilon_of(a, 1.0, 0.1, 10, 0.0); }, "delta of 0");
    refuses([&] { epsilon_of(a, 1.0, 0.1, 10, 1.0); }, "delta of 1");
    refuses([&] { calibrated_noise(a, 0.0, 1e-5, 0.1, 10); }, "epsilon of 0");
    refuses([&] { calibrated_noise(a, -2.0, 1e-5, 0.1, 10); }, "epsilon of -2");
    refuses([&] { calibrated_noise(a, kInfinity, 1e-5, 0.1, 10); }, "epsilon of inf");
    refuses([&] { calibrated_noise(a, 1.0, 2.0, 0.1, 10); }, "delta of 2");
    refuses([&] { calibrated_noise(a, 1.0, 1e-5, -0.1, 10); }, "sample rate of -0.1");
    refuses([&] { calibrated_noise(a, 1.0, 1e-5, 0.1, -10); }, "-10 steps");
  }
}

}  // namespace
}  // namespace fedloom::privacy
