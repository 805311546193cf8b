// The keys of train.schedule, what they mean together, and which of them a resumed run must keep.
#include "wiring/schedule_config.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "experiments/experiment_file.hpp"

namespace fedloom {
namespace {

Schedule schedule(const std::string& yaml, double lr = 0.5) {
  return to_schedule(read_config<ScheduleConfig>(ConfigNode::from_text(yaml, "test.yaml")), lr);
}

std::string refusal(const std::string& yaml) {
  try {
    (void)schedule(yaml);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(ScheduleConfig, NothingIsTheConstantRate) { EXPECT_TRUE(schedule("{}").is_constant()); }

TEST(ScheduleConfig, KeysAreThoseOfPyTorch) {
  EXPECT_EQ(schedule("{name: step, step_size: 30}"),
            (Schedule{.shape = ScheduleShape::step, .every = 30, .gamma = 0.1}));
  EXPECT_EQ(schedule("{name: step, every: 30, gamma: 0.5, warmup: 5}"),
            (Schedule{.shape = ScheduleShape::step, .warmup = 5, .every = 30, .gamma = 0.5}));
  EXPECT_EQ(schedule("{name: cosine, eta_min: 0.01}"),
            (Schedule{.shape = ScheduleShape::cosine, .min_lr = 0.01}));
}

TEST(ScheduleConfig, AKeyThatIsNotReadIsRefused) {
  EXPECT_NE(refusal("{name: cosine, gamma: 0.5}").find("`gamma`"), std::string::npos);
  EXPECT_NE(refusal("{name: constant, every: 5}").find("`every`"), std::string::npos);
  EXPECT_NE(refusal("{name: step, every: 5, min_lr: 0.1}").find("`min_lr`"), std::string::npos);
  EXPECT_NE(refusal("{name: step, unit: round}").find("the rounds between two falls"), std::string::npos);
  EXPECT_NE(refusal("{name: cosine, min_lr: 0.6}").find("min_lr 0.6"), std::string::npos);
  EXPECT_NE(refusal("{name: linear}").find("cosine"), std::string::npos);
}

// More rounds may follow a finished run, unless the rates so far came from their number.
TEST(ScheduleConfig, ACosineOverRoundsBelongsToTheirNumber) {
  const auto fingerprints_differ = [](const std::string& yaml) {
    ExperimentConfig config;
    config.train.schedule = read_config<ScheduleConfig>(ConfigNode::from_text(yaml, "test.yaml"));
    config.rounds = 10;
    const std::uint64_t ten = experiment_fingerprint(config);
    config.rounds = 20;
    return experiment_fingerprint(config) != ten;
  };
  EXPECT_TRUE(fingerprints_differ("{name: cosine}"));
  EXPECT_FALSE(fingerprints_differ("{name: cosine, unit: step}"));
  EXPECT_FALSE(fingerprints_differ("{name: step, every: 3}"));
  EXPECT_FALSE(fingerprints_differ("{warmup: 3}"));
}

}  // namespace
}  // namespace fedloom
