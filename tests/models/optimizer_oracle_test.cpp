// Every optimizer against PyTorch's of the same name: ten steps, written down by
// tests/golden/oracles/optimizers.py.
#include <cmath>
#include <fstream>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "models/optimizer.hpp"
#include "tests/support/paths.hpp"

namespace fedloom {
namespace {

using Json = nlohmann::json;

Json oracle() {
  return Json::parse(std::ifstream(FEDLOOM_SOURCE_DIR "/tests/golden/oracles/optimizers.json"));
}

TEST(OptimizerOracle, TenStepsAreThoseOfPyTorch) {
  const Json file = oracle();
  const auto start = file.at("start").get<std::vector<float>>();
  const auto gradients = file.at("gradients").get<std::vector<std::vector<float>>>();
  Layout::Builder slices;
  slices.add("w", {static_cast<std::int64_t>(start.size())});
  const auto layout = slices.build();
  for (const Json& item : file.at("cases")) {
    const auto name = item.at("optimizer").get<std::string>();
    const std::string settings = item.at("settings").dump();  // JSON is YAML
    const auto optimizer = OptimizerRegistry::instance()
                               .find(name, "optimizer")
                               .make(ConfigNode::from_text(settings, "optimizers.json"));
    optimizer->reset(*layout);
    std::vector<float> w = start;
    const Json& expected = item.at("weights");
    ASSERT_EQ(expected.size(), gradients.size());
    for (std::size_t t = 0; t < gradients.size(); ++t) {
      optimizer->step(*layout, w, gradients[t], item.at("learning_rate").get<double>());
      for (std::size_t i = 0; i < w.size(); ++i) {
        const double exact = expected[t][i].get<double>();
        EXPECT_NEAR(static_cast<double>(w[i]), exact, 1e-6 * std::abs(exact))
            << name << " " << settings << " step " << t + 1 << " weight " << i;
      }
    }
  }
}

TEST(OptimizerOracle, KnowsEveryOptimizer) {
  const Json file = oracle();
  std::set<std::string> known;
  for (const Json& item : file.at("cases")) known.insert(item.at("optimizer"));
  for (const std::string& name : OptimizerRegistry::instance().names())
    EXPECT_TRUE(known.contains(name)) << name;
}

}  // namespace
}  // namespace fedloom
