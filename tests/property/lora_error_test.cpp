// What averaging factors apart loses grows with local work, and methods that are exact lose nothing, after
// real local training.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/property/small_run.hpp"
#include "tests/support/lora_world.hpp"

namespace fedloom::testing {
namespace {

double relative_error(const std::string& algorithm, std::int64_t steps) {
  Job job;
  job.algorithm = algorithm;
  job.pacer = "clients_per_round: 8";
  job.recipe = {.steps = steps, .batch_size = 4, .learning_rate = 0.1};
  job.windows = 1;
  job.adapter_alpha = kLoraAlpha;
  job.world = small_lora_world;
  for (const std::string& line : run(job).events) {
    const auto event = nlohmann::json::parse(line);
    if (event.at("event") != "window_closed") continue;
    if (event.contains("aggregation_error_relative")) return event.at("aggregation_error_relative");
    return event.at("metrics").at("aggregation_error_relative");
  }
  return -1.0;
}

TEST(LoraError, GrowsWithLocalStepsWhereFactorsAreAveragedApart) {
  double before = 0.0;
  for (const std::int64_t steps : {2, 8, 32}) {
    const double error = relative_error("fedit", steps);
    EXPECT_GT(error, before) << steps;
    before = error;
  }
  EXPECT_GT(before, 1e-3);
}

// Rounded to float: weights near 1 that move by about 0.1 leave 1e-6 of what moved.
TEST(LoraError, IsNothingWhereAggregationIsExact) {
  for (const char* algorithm : {"ffa_lora", "fedsvd", "rolora", "fedex_lora", "flora"})
    for (const std::int64_t steps : {2, 32}) {
      EXPECT_GE(relative_error(algorithm, steps), 0.0) << algorithm;
      EXPECT_LT(relative_error(algorithm, steps), 1e-5) << algorithm;
    }
}

}  // namespace
}  // namespace fedloom::testing
