// A strategy that infers gradients from where clients end is not run with steps that hide them.
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "experiments/components.hpp"

namespace fedloom {
namespace {

std::string refusal(const std::string& strategy, const std::string& train) {
  const std::string yaml =
      "data: {source: {name: synthetic, test_examples: 10}, clients: 3}\nstrategy: " + strategy +
      "\ntrain: " + train + "\n";
  try {
    (void)build_components(parse_experiment(yaml, "test.yaml").config, "", 1.0);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(PlainSteps, ScaffoldRefusesWhatIsNotRateTimesGradient) {
  EXPECT_EQ(refusal("scaffold", "{schedule: {name: cosine, warmup: 2}, lr_decay: 0.9, micro_batch: 4}"), "");
  for (const char* optimizer : {"adam", "adamw", "adagrad", "{name: sgd, momentum: 0.9}"})
    EXPECT_NE(refusal("scaffold", std::string("{optimizer: ") + optimizer + "}").find("needs plain SGD"),
              std::string::npos)
        << optimizer;
  EXPECT_NE(refusal("scaffold", "{clip_norm: 2}").find("train.clip_norm is 2; set it to 0"),
            std::string::npos);
  EXPECT_NE(refusal("scaffold", "{schedule: {name: cosine, unit: step}}").find("train.schedule.unit: round"),
            std::string::npos);
}

TEST(PlainSteps, OthersTakeThemAll) {
  EXPECT_EQ(refusal("fedavg", "{optimizer: adamw, clip_norm: 2, schedule: {name: cosine, unit: step}}"), "");
  EXPECT_NE(refusal("fedavg", "{schedule: {name: step}}").find("needs `every`"), std::string::npos);
}

}  // namespace
}  // namespace fedloom
