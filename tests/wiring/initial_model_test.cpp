// `model.init`: which words mean a file, where it is looked for, what of it decides the results, and how it
// meets an adapter.
#include "wiring/initial_model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.hpp"
#include "experiments/components.hpp"
#include "experiments/experiment_file.hpp"
#include "models/safetensors.hpp"
#include "tests/support/temp_folder.hpp"

namespace fedloom {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const DataSpec kData{{6}, 3, 0};

class Initial : public ::testing::Test {
 protected:
  Experiment experiment(const std::string& model, const std::string& more = "") const {
    return load_experiment(folder_.write("exp.yaml", "model: " + model + "\n" + more), overrides_);
  }
  // Weights of an mlp with one hidden layer of 4 on kData, all of them `value`.
  std::string weights(const std::string& name, float value) const {
    ExperimentConfig config;
    config.model = ComponentSpec("mlp");
    config.model.settings = ConfigNode::from_text("hidden: [4]", "test");
    ParameterVector parameters(make_model(config, kData)->layout());
    std::fill(parameters.values().begin(), parameters.values().end(), value);
    write_safetensors(folder_ / name, parameters);
    return folder_ / name;
  }
  InitialModel initial(const ExperimentConfig& config) const {
    return initial_model(config, kData, *make_model(config, kData));
  }
  std::string refusal(const std::string& model) const {
    try {
      (void)initial(experiment(model).config);
    } catch (const UserError& error) {
      return error.what();
    }
    return "accepted";
  }

  testing::TempFolder folder_;
  std::vector<std::string> overrides_;
};

TEST_F(Initial, AWordIsTheModelsOwnAndAFileIsNot) {
  EXPECT_FALSE(experiment("{name: mlp, init: zeros}").config.init);
  weights("w.safetensors", 1.0F);
  const ExperimentConfig config = experiment("{name: mlp, hidden: [4], init: w.safetensors}").config;
  ASSERT_TRUE(config.init);
  EXPECT_EQ(config.init->file, folder_ / "w.safetensors") << "beside the experiment file";
  EXPECT_EQ(config.init->sha256.size(), 64U);
  EXPECT_EQ(config.model.settings.child("init").present(), false);
  EXPECT_THAT(initial(config).values, ::testing::Each(1.0F));
}

TEST_F(Initial, TheResolvedFileSaysTheSame) {
  weights("w.safetensors", 1.0F);
  const ExperimentConfig config =
      experiment(
          "{name: mlp, hidden: [4], init: {file: w.safetensors, rename: {module.: '', '/^x(\\d)/': y$1}, "
          "fresh: fc2}}")
          .config;
  const ExperimentConfig again = parse_experiment(resolved_yaml(config), "resolved").config;
  ASSERT_TRUE(again.init);
  EXPECT_EQ(again.init->rename, config.init->rename);
  EXPECT_THAT(again.init->rename.pairs, ElementsAre(std::pair("module.", ""), std::pair("/^x(\\d)/", "y$1")));
  EXPECT_THAT(again.init->fresh, ElementsAre("fc2"));
  EXPECT_EQ(resolved_yaml(again), resolved_yaml(config));
  EXPECT_EQ(experiment_fingerprint(again), experiment_fingerprint(config));
}

TEST_F(Initial, OverridesTurnTheShortFormIntoTheLong) {
  weights("w.safetensors", 1.0F);
  overrides_ = {"model.init=w.safetensors", "model.init.fresh=fc2"};
  const ExperimentConfig config = experiment("{name: mlp, hidden: [4]}").config;
  ASSERT_TRUE(config.init);
  EXPECT_EQ(config.init->file, folder_ / "w.safetensors");
  EXPECT_THAT(config.init->fresh, ElementsAre("fc2"));
}

TEST_F(Initial, WhatIsInTheFileDecidesAndNotItsPath) {
  weights("a.safetensors", 1.0F);
  weights("b.safetensors", 1.0F);
  const auto fingerprint = [&](const std::string& file) {
    return experiment_fingerprint(experiment("{name: mlp, hidden: [4], init: " + file + "}").config);
  };
  const std::uint64_t before = fingerprint("a.safetensors");
  EXPECT_EQ(fingerprint("b.safetensors"), before);
  weights("a.safetensors", 2.0F);
  EXPECT_NE(fingerprint("a.safetensors"), before);
}

TEST_F(Initial, AFileThatChangedSinceItWasHashedIsRefused) {
  weights("w.safetensors", 1.0F);
  const ExperimentConfig config = experiment("{name: mlp, hidden: [4], init: w.safetensors}").config;
  weights("w.safetensors", 2.0F);
  EXPECT_THROW((void)initial(config), UserError);
  EXPECT_THROW(
      (void)experiment("{name: mlp, init: {file: w.safetensors, sha256: " + config.init->sha256 + "}}"),
      UserError);
}

TEST_F(Initial, MisfitsAreNamed) {
  weights("w.safetensors", 1.0F);
  EXPECT_THAT(refusal("{name: mlp, hidden: [4], init: none.safetensors}"), HasSubstr("there is no file"));
  EXPECT_THAT(refusal("{name: mlp, hidden: [5], init: w.safetensors}"),
              HasSubstr("'fc1.weight' has shape (4, 6), but the model's 'fc1.weight' has shape (5, 6)"));
  EXPECT_THAT(refusal("{name: softmax, init: w.safetensors}"), HasSubstr("missing: fc.weight, fc.bias"));
  EXPECT_THAT(refusal("{name: mlp, init: {files: w.safetensors}}"), HasSubstr("did you mean 'file'"));
  EXPECT_THAT(refusal("{name: mlp, init: {partial: true}}"), HasSubstr("`file` is missing"));
}

TEST_F(Initial, WhatStartsAtRandomOrIsNotUsedIsNoted) {
  weights("w.safetensors", 1.0F);
  const InitialModel start = initial(
      experiment("{name: mlp, hidden: [4], init: {file: w.safetensors, rename: {fc2.: old.}, partial: true}}")
          .config);
  ASSERT_EQ(start.notes.size(), 2U);
  EXPECT_THAT(start.notes[0], HasSubstr("at random, not from the file: fc2.weight, fc2.bias"));
  EXPECT_THAT(start.notes[1], HasSubstr("not of this model: fc2.bias, fc2.weight"));
  EXPECT_EQ(start.values[0], 1.0F);
  EXPECT_NE(start.values[4 * 6 + 4], 1.0F) << "fc2 starts where it would without a file";
}

// The base comes from the file; what the adapter adds starts as it does without one.
TEST_F(Initial, AnAdapterStartsBesideABaseFromTheFile) {
  weights("w.safetensors", 1.0F);
  const std::string lora = "adapter: {name: lora, targets: [fc1], train: [fc2], rank: 2}\n";
  const Experiment loaded = experiment("{name: mlp, hidden: [4], init: w.safetensors}", lora);
  const auto model = make_model(loaded.config, kData);
  const InitialModel start = initial(loaded.config);
  EXPECT_THAT(start.notes, IsEmpty());
  const auto of = [&](const char* name) {
    const Slice& slice = model->layout()->at(name);
    return std::span(start.values).subspan(slice.offset, slice.size);
  };
  EXPECT_THAT(of("fc1.weight"), ::testing::Each(1.0F));
  EXPECT_THAT(of("fc2.weight"), ::testing::Each(1.0F));
  EXPECT_THAT(of("fc1.lora_B.weight"), ::testing::Each(0.0F));
  EXPECT_THAT(of("fc1.lora_A.weight"), ::testing::Not(::testing::Each(0.0F)));
}

}  // namespace
}  // namespace fedloom
