// The resolved file is what workers and deployed clients get and what a resumed run is compared with: nothing
// that was said may be missing from it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "experiments/experiment_file.hpp"

namespace fedloom::testing {
namespace {

ExperimentConfig parsed(const std::string& more = "") {
  return parse_experiment("data: {source: synthetic, clients: 4}\n" + more, "test.yaml").config;
}

// Notes the name of every key of a section.
struct Keys {
  std::vector<std::string> names;
  template <class... Rest>
  void operator()(const char* name, Rest&&...) {
    names.emplace_back(name);
  }
  void alias(const char*, const char*) {}
};

TEST(Resolved, HasEverySectionOfAnExperiment) {
  ExperimentConfig config = parsed("devices: {task: 1s}\ncontinual: {}\nplugins: []");
  const std::string text = "\n" + resolved_yaml(config);
  Keys keys;
  config.visit(keys);
  ASSERT_GT(keys.names.size(), 15U);
  for (const std::string& key : keys.names)
    EXPECT_TRUE(key == "plugins" || text.find("\n" + key + ":") != std::string::npos) << key;
}

TEST(Resolved, IsReadBackAsItWas) {
  for (const char* more :
       {"", "privacy: {unit: example, epsilon: 3, accountant: prv}",
        "privacy: {unit: client, noise_multiplier: 1, adaptive: {quantile: 0.3}}\nsampler: poisson",
        "continual: {stages: {name: sets, then: [mnist, {name: idx, mean: [0.1, 0.2]}]}, rounds_per_stage: "
        "[1, 2, 3]}",
        "train: {clip_norm: 2, schedule: {name: cosine}}\nevaluate: {on: validation}\n"}) {
    const std::string text = resolved_yaml(parsed(more));
    EXPECT_EQ(resolved_yaml(parse_experiment(text, "resolved").config), text);
  }
}

TEST(Fingerprint, KnowsPrivacy) {
  const auto of = [](const std::string& more) { return experiment_fingerprint(parsed(more)); };
  EXPECT_NE(of("privacy: {unit: example, noise_multiplier: 1}"), of(""));
  EXPECT_NE(of("privacy: {unit: example, noise_multiplier: 1}"),
            of("privacy: {unit: example, noise_multiplier: 2}"));
  // Noise that is computed for so many rounds is another for more; noise that was given is not.
  const std::string computed = "privacy: {unit: example, epsilon: 3}\n";
  const std::string given = "privacy: {unit: example, noise_multiplier: 1}\n";
  const std::string settled = "privacy: {unit: example, epsilon: 3, participations: 9}\n";
  EXPECT_NE(of(computed + "rounds: 5"), of(computed + "rounds: 6"));
  EXPECT_EQ(of(given + "rounds: 5"), of(given + "rounds: 6"));
  EXPECT_EQ(of(settled + "rounds: 5"), of(settled + "rounds: 6"));
}

}  // namespace
}  // namespace fedloom::testing
