// What a user may ask of privacy, and what is refused with which reason.
#include "wiring/privacy_config.hpp"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/file.hpp"
#include "experiments/components.hpp"
#include "tests/support/temp_folder.hpp"
#include "wiring/secret.hpp"

namespace fedloom::testing {
namespace {

using ::testing::HasSubstr;

constexpr const char* kJob = R"(
rounds: 5
data: {source: {name: synthetic, features: 6, classes: 3, test_examples: 10}, clients: 8}
pacer: {name: sync, clients_per_round: 4}
)";

Components build(const std::string& more) {
  std::vector<std::string> overrides;
  std::size_t begin = 0;
  while (begin < more.size()) {
    const std::size_t end = std::min(more.find('\n', begin), more.size());
    overrides.push_back(more.substr(begin, end - begin));
    begin = end + 1;
  }
  return build_components(parse_experiment(kJob, "job.yaml", overrides).config, "", 1.0);
}

void expect_refused(const std::string& overrides, const std::string& because) {
  try {
    build(overrides);
    ADD_FAILURE() << "accepted: " << overrides;
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr(because)) << overrides;
  }
}

TEST(PrivacyConfig, ExamplesOfAnyCohortAreCovered) {
  EXPECT_NO_THROW(build("privacy={unit: example, noise_multiplier: 1.0}"));
  EXPECT_NO_THROW(build("privacy={unit: example, epsilon: 3}"));
  EXPECT_NO_THROW(build("privacy={unit: example, epsilon: 3}\nstrategy=fedprox"));
  EXPECT_NO_THROW(build("privacy={unit: example, epsilon: 3}\nstrategy=centralised"));
  EXPECT_NO_THROW(build("privacy={unit: example, epsilon: 3}\nstrategy={name: scaffold, option: 2}"));
}

TEST(PrivacyConfig, ClientsAreCoveredInIndependentCohortsOfEqualWeight) {
  const std::string client = "privacy={unit: client, epsilon: 3}\n";
  EXPECT_NO_THROW(build(client + "sampler=poisson\npacer.weights=uniform"));
  EXPECT_NO_THROW(build(client + "sampler=all\npacer.weights=uniform"));
  expect_refused(client + "pacer.weights=uniform", "sampler uniform draws cohorts of a fixed size");
  expect_refused(client + "sampler=poisson", "weighs updates by examples");
  expect_refused(client + "sampler=poisson\npacer={name: fedbuff, concurrency: 4, buffer: 2}", "has none");
  EXPECT_NO_THROW(
      build("privacy={unit: client, epsilon: 9, noise: client}\npacer={name: fedbuff, concurrency: 4, "
            "buffer: 2}"));
  EXPECT_NO_THROW(build("privacy={unit: client, epsilon: 9, noise: client}"));
}

TEST(PrivacyConfig, WhatTheAccountingDoesNotCoverIsRefusedWithTheReason) {
  const std::string example = "privacy={unit: example, epsilon: 3}\n";
  const std::string client = "privacy={unit: client, epsilon: 3}\nsampler=all\npacer.weights=uniform\n";
  expect_refused(example + "strategy={name: scaffold, option: 1}", "strategy.option: 2");
  expect_refused(client + "strategy=scaffold", "control variate");
  expect_refused(client + "strategy=local_only", "no updates travel");
  expect_refused(client + "strategy=centralised", "no updates travel");
}

TEST(PrivacyConfig, MoreThatIsNotCovered) {
  const std::string client = "privacy={unit: client, epsilon: 3}\nsampler=all\n";
  expect_refused(client + "pacer={name: sync, clients_per_round: 4, weights: uniform, over_selection: 0.5}",
                 "set it to 0");
  expect_refused(client + "pacer.weights=uniform\nevaluate.clients=2", "evaluate.clients: 0");
  expect_refused("privacy={unit: client, epsilon: 0.5, noise: client, clip_norm: 300}",
                 "lower privacy.clip_norm");
  expect_refused(
      "privacy={unit: example, epsilon: 3}\npacer={name: semi_sync, window: 10s}\n"
      "devices={compute: 0.01}",
      "privacy.noise_multiplier");
}

TEST(PrivacyConfig, KeysThatContradictEachOther) {
  expect_refused("privacy={epsilon: 3}", "protects nothing");
  expect_refused("privacy={unit: example}", "needs epsilon, a budget, or noise_multiplier");
  expect_refused("privacy={unit: example, epsilon: 3}\nrounds=0\nduration=100s", "how often a client");
  expect_refused("privacy={unit: example, epsilon: 3, noise: client}", "for unit: client");
  expect_refused("privacy={unit: example, epsilon: 3, adaptive: {quantile: 0.5}}", "for unit: client");
  expect_refused("privacy={unit: client, epsilon: 3, noise: client, adaptive: {quantile: 0.5}}",
                 "needs noise: server");
  expect_refused("privacy={unit: example, epsilon: 3, delta: 2}", "delta");
  expect_refused("privacy={unit: example, epsilon: -1}", "epsilon");
  // Eight clients and a multiplier of 4: a twentieth of the cohort is 0.4, half the multiplier 2.
  expect_refused(
      "privacy={unit: client, noise_multiplier: 4, adaptive: {quantile: 0.5}}\nsampler=all\n"
      "pacer.weights=uniform",
      "must be above 2");
}

TEST(Secret, IsDrawnOnceAndKeptForItsOwner) {
  const TempFolder folder;
  const std::string file = folder / "state/secret";
  const std::uint64_t secret = kept_secret(file);
  EXPECT_EQ(kept_secret(file), secret);
  EXPECT_NE(kept_secret(folder / "another"), secret);
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(file).permissions() & perms::all, perms::owner_read | perms::owner_write);
  write_file_atomically(file, "not a number\n", false);
  EXPECT_THROW(kept_secret(file), UserError);
}

}  // namespace
}  // namespace fedloom::testing
