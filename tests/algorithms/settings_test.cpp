// Settings of algorithms: ranges are refused with the place and the allowed range, defaults are the papers',
// and the sizes of the models the papers count are theirs.
#include <gtest/gtest.h>

#include "tests/support/by_hand.hpp"

namespace fedloom::testing {
namespace {

void expect_refused(const std::string& algorithm, const std::string& settings, const std::string& word) {
  SCOPED_TRACE(algorithm + " " + settings);
  try {
    make_algorithm(algorithm, settings);
    ADD_FAILURE() << "was accepted";
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("test.yaml:1:"), std::string::npos) << error.what();
  }
}

TEST(AlgorithmSettings, OutOfRangeIsRefused) {
  expect_refused("fedavg", "server_lr: 0", "> 0");
  expect_refused("fedavg", "server_lr: -1", "> 0");
  expect_refused("fedavg", "server_lr: .nan", "server_lr");
  expect_refused("fedprox", "mu: -0.1", ">= 0");
  expect_refused("scaffold", "option: 3", "option");
  expect_refused("scaffold", "option: 0", "option");
  expect_refused("scaffold", "weighted: true", "weighted");
  expect_refused("fedavgm", "beta: 1", "beta");
  expect_refused("fedadam", "beta1: 1", "beta1");
  expect_refused("fedadam", "beta2: -0.5", "beta2");
  expect_refused("fedyogi", "tau: 0", "> 0");
}

TEST(AlgorithmSettings, UnknownKeysAreRefused) {
  expect_refused("fedprox", "{mew: 0.1}", "mu");
  expect_refused("fedadagrad", "beta2: 0.9", "beta2");  // Adagrad has none
  expect_refused("centralised", "server_lr: 1", "server_lr");
}

TEST(AlgorithmSettings, OldNamesStillWork) {
  EXPECT_NO_THROW(make_algorithm("fedprox", "proximal_mu: 0.1"));
  EXPECT_NO_THROW(make_algorithm("fedavgm", "server_momentum: 0.5"));
  EXPECT_NO_THROW(make_algorithm("fedadam", "eta: 0.5"));
}

TEST(AlgorithmRegistryContents, EveryEntryBuildsFromNothingAndSaysWhatItIs) {
  for (const auto& [name, entry] : AlgorithmRegistry::instance().entries()) {
    SCOPED_TRACE(name);
    const Algorithm algorithm = make_algorithm(name);
    EXPECT_NE(algorithm.strategy, nullptr);
    EXPECT_NE(algorithm.objective, nullptr);
    EXPECT_FALSE(entry.about.summary.empty());
    // What resolve() writes is accepted again and means the same.
    const std::string resolved = entry.resolve(ConfigNode::from_text("{}", "test.yaml"));
    if (resolved.empty()) continue;
    const ConfigNode again = ConfigNode::from_text(resolved, "resolved.yaml");
    EXPECT_EQ(entry.resolve(again), resolved);
  }
}

TEST(AlgorithmRegistryContents, UnknownNamesSuggestTheNearest) {
  try {
    AlgorithmRegistry::instance().find("fedprx", "strategy");
    FAIL();
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find("fedprox"), std::string::npos) << error.what();
  }
}

// fedavg_param_counts: 784-200-200-10 has 199210 parameters, McMahan's CNN 1663370.
TEST(PublishedModels, HaveThePapersSizes) {
  const DataSpec mnist{{1, 28, 28}, 10, 0};
  const ConfigNode none = ConfigNode::from_text("{}", "test.yaml");
  const ConfigNode two_layers = ConfigNode::from_text("hidden: [200, 200]", "test.yaml");
  EXPECT_EQ(ModelRegistry::instance().find("mlp", "model").make(two_layers, mnist)->layout()->size(),
            199'210U);
  EXPECT_EQ(ModelRegistry::instance().find("cnn", "model").make(none, mnist)->layout()->size(), 1'663'370U);
}

}  // namespace
}  // namespace fedloom::testing
