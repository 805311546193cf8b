// Loading by slice names: what is renamed, refused, left at its start and reported.
#include "models/load_weights.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "tests/support/temp_folder.hpp"

namespace fedloom {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Rules = std::vector<std::pair<std::string, std::string>>;

struct Named {
  std::string name;
  std::vector<std::int64_t> shape;
};

std::shared_ptr<const Layout> layout_of(const std::vector<Named>& slices) {
  Layout::Builder builder;
  for (const Named& slice : slices) builder.add(slice.name, slice.shape);
  return builder.build();
}

// A file of tensors whose values count 1, 2, 3 … through it.
SafetensorsFile file_with(const std::vector<Named>& tensors) {
  const testing::TempFolder folder;
  ParameterVector values(layout_of(tensors));
  for (std::size_t i = 0; i < values.values().size(); ++i) values.values()[i] = static_cast<float>(i + 1);
  write_safetensors(folder / "w.safetensors", values);
  return SafetensorsFile::read(folder / "w.safetensors");
}

const std::vector<Named> kModel = {{"fc1.weight", {1, 2}}, {"fc1.bias", {1}}, {"fc2.weight", {2}}};

struct Loaded {
  std::vector<float> values;
  LoadReport report;
  std::string error;
};

Loaded load(const std::vector<Named>& tensors, const LoadOptions& options = {}) {
  const auto layout = layout_of(kModel);
  Loaded result{std::vector<float>(layout->size(), -1.0F), {}, {}};
  try {
    result.report = load_weights(file_with(tensors), *layout, result.values, options);
  } catch (const UserError& error) {
    result.error = error.what();
    EXPECT_THAT(result.values, ElementsAre(-1, -1, -1, -1, -1)) << "changed although it was refused";
  }
  return result;
}

// fc2.weight has a row for each of 2 tokens; the other slices have none, and files that do not say are taken.
TEST(LoadWeights, RowsOfOtherWordsAreRefused) {
  const testing::TempFolder folder;
  ParameterVector values(layout_of(kModel));
  write_safetensors(folder / "w.safetensors", values, {{"vocabulary", vocabulary_text(0xAB)}});
  const auto file = SafetensorsFile::read(folder / "w.safetensors");
  const auto error = [&](LoadOptions options) -> std::string {
    FloatBuffer loaded(values.values().size());
    try {
      (void)load_weights(file, values.layout(), loaded, options);
    } catch (const UserError& refused) {
      return refused.what();
    }
    return "";
  };
  EXPECT_THAT(
      error({.vocabulary = 2, .vocabulary_id = 0xCD}),
      HasSubstr("'fc2.weight' has a row for every token of another vocabulary (00000000000000ab) than "
                "that of the data (00000000000000cd)"));
  EXPECT_EQ(error({.vocabulary = 2, .vocabulary_id = 0xAB}), "");
  EXPECT_EQ(error({.fresh = {"fc2"}, .vocabulary = 2, .vocabulary_id = 0xCD}), "");
  EXPECT_EQ(error({.vocabulary = 3, .vocabulary_id = 0xCD}), "");
  EXPECT_EQ(load(kModel, {.vocabulary = 2, .vocabulary_id = 0xCD}).error, "");
}

TEST(LoadWeights, ByNameInWhateverOrder) {
  const Loaded loaded = load({{"fc2.weight", {2}}, {"fc1.bias", {1}}, {"fc1.weight", {1, 2}}});
  EXPECT_EQ(loaded.error, "");
  EXPECT_THAT(loaded.values, ElementsAre(4, 5, 3, 1, 2));
  EXPECT_THAT(loaded.report.kept, IsEmpty());
  EXPECT_THAT(loaded.report.unused, IsEmpty());
}

TEST(LoadWeights, TensorsThatNobodyAskedForAreReported) {
  std::vector<Named> tensors = kModel;
  tensors.push_back({"bn.num_batches_tracked", {1}});
  EXPECT_THAT(load(tensors).report.unused, ElementsAre("bn.num_batches_tracked"));
}

TEST(LoadWeights, AMissingSliceIsRefusedNamingBothSides) {
  EXPECT_THAT(load({{"linear.weight", {1, 2}}, {"fc1.bias", {1}}, {"fc2.weight", {2}}}).error,
              HasSubstr("missing: fc1.weight; not of this model: linear.weight"));
}

TEST(LoadWeights, AnotherShapeIsRefusedNamingBoth) {
  for (const bool partial : {false, true}) {
    LoadOptions options;
    options.partial = partial;
    EXPECT_THAT(load({{"fc1.weight", {2, 1}}, {"fc1.bias", {1}}, {"fc2.weight", {2}}}, options).error,
                HasSubstr("'fc1.weight' has shape (2, 1), but the model's 'fc1.weight' has shape (1, 2)"));
  }
}

TEST(LoadWeights, PartialKeepsWhatTheFileLacks) {
  LoadOptions options;
  options.partial = true;
  const Loaded loaded = load({{"fc1.weight", {1, 2}}}, options);
  EXPECT_EQ(loaded.error, "");
  EXPECT_THAT(loaded.values, ElementsAre(1, 2, -1, -1, -1));
  EXPECT_THAT(loaded.report.kept, ElementsAre("fc1.bias", "fc2.weight"));
  EXPECT_THAT(load({{"other", {1}}}, options).error, HasSubstr("not one slice was found"));
}

TEST(LoadWeights, OptionalSlicesComeFromTheFileOnlyIfTheyAreThere) {
  LoadOptions options;
  options.optional = {"fc1.bias", "fc2.weight"};
  const Loaded loaded = load({{"fc1.weight", {1, 2}}, {"fc1.bias", {1}}}, options);
  EXPECT_EQ(loaded.error, "");
  EXPECT_THAT(loaded.values, ElementsAre(1, 2, 3, -1, -1));
  EXPECT_THAT(loaded.report.kept, IsEmpty());
  EXPECT_THAT(load({{"fc1.bias", {1}}}, options).error, HasSubstr("missing: fc1.weight"));
}

TEST(LoadWeights, FreshSlicesKeepTheirValuesWhateverTheFileHas) {
  LoadOptions options;
  options.fresh = {"fc2"};
  const Loaded loaded = load({{"fc1.weight", {1, 2}}, {"fc1.bias", {1}}, {"fc2.weight", {7}}}, options);
  EXPECT_EQ(loaded.error, "");
  EXPECT_THAT(loaded.values, ElementsAre(1, 2, 3, -1, -1));
  EXPECT_THAT(loaded.report.kept, ElementsAre("fc2.weight"));
  EXPECT_THAT(loaded.report.unused, ElementsAre("fc2.weight"));
  options.fresh = {"fc3"};
  EXPECT_THAT(load(kModel, options).error, HasSubstr("'fc3' fits no slice"));
}

TEST(LoadWeights, RulesFollowEachOther) {
  LoadOptions options;
  options.names = NameMap(Rules{{"module.", ""}, {"/^layer(\\d+)_/", "fc$1."}});
  const Loaded loaded =
      load({{"module.layer1_weight", {1, 2}}, {"module.layer1_bias", {1}}, {"layer2_weight", {2}}}, options);
  EXPECT_EQ(loaded.error, "");
  EXPECT_THAT(loaded.values, ElementsAre(1, 2, 3, 4, 5));
}

TEST(LoadWeights, AName) {
  const NameMap map(Rules{{"module.", ""}, {"/x(\\d)/", "y$1."}});
  EXPECT_EQ(map("module.fc.weight"), "fc.weight");
  EXPECT_EQ(map("a.module.fc"), "a.module.fc") << "only at the beginning";
  EXPECT_EQ(map("x1x2"), "y1.x2") << "only the first match";
  EXPECT_EQ(NameMap()("as.it.is"), "as.it.is");
}

TEST(LoadWeights, RulesThatMakeNoSenseAreRefused) {
  EXPECT_THROW(NameMap(Rules{{"", "x"}}), UserError);
  EXPECT_THROW(NameMap(Rules{{"/(/", "x"}}), UserError);
  LoadOptions options;
  options.names = NameMap(Rules{{"a.", ""}, {"b.", ""}});
  EXPECT_THAT(load({{"a.fc1.bias", {1}}, {"b.fc1.bias", {1}}}, options).error,
              HasSubstr("'a.fc1.bias' and 'b.fc1.bias' are both renamed to 'fc1.bias'"));
}

}  // namespace
}  // namespace fedloom
