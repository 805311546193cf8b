// Registered models: parameter counts, slice names, and messages for data that do not fit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "models/model.hpp"

namespace fedloom {
namespace {

using ::testing::HasSubstr;

const DataSpec kMnist{{1, 28, 28}, 10, 0};

std::unique_ptr<Model> make(const std::string& name, const DataSpec& spec, const std::string& settings = "") {
  const ConfigNode node = settings.empty() ? ConfigNode() : ConfigNode::from_text(settings, "test.yaml");
  return ModelRegistry::instance().find(name, "model").make(node, spec);
}

std::string refusal(const std::string& name, const DataSpec& spec, const std::string& settings = "") {
  try {
    (void)make(name, spec, settings);
  } catch (const UserError& error) {
    return error.what();
  }
  return "accepted";
}

std::vector<std::string> slice_names(const Model& model) {
  std::vector<std::string> names;
  for (const Slice& slice : model.layout()->slices()) names.push_back(slice.name);
  return names;
}

TEST(Zoo, ParameterCountsOfThePaper) {
  EXPECT_EQ(make("softmax", kMnist)->layout()->size(), 7850U);
  EXPECT_EQ(make("2nn", kMnist)->layout()->size(), 199210U);
  EXPECT_EQ(make("mlp", kMnist)->layout()->size(), 199210U);
  EXPECT_EQ(make("cnn", kMnist)->layout()->size(), 1663370U);
  EXPECT_EQ(make("lenet5", kMnist)->layout()->size(), 61706U);
  const DataSpec cifar{{3, 32, 32}, 10, 0};
  EXPECT_EQ(make("cifar_cnn", cifar)->layout()->size(), 62006U);
  EXPECT_EQ(make("pfl_cnn", cifar)->layout()->size(), 1626442U);
  // The published weights: 269,722 trained values, and a mean and a variance for each of the 688 maps (19
  // convolutions: 7 x 16 + 6 x 32 + 6 x 64).
  const auto resnet = make("resnet", cifar);
  EXPECT_EQ(resnet->layout()->count(Role::trained), 269722U);
  EXPECT_EQ(resnet->layout()->count(Role::statistic), 2U * (7 * 16 + 6 * 32 + 6 * 64));
  EXPECT_EQ(make("resnet", cifar, "depth: 56")->layout()->count(Role::trained), 853018U);
  EXPECT_EQ(make("resnet", cifar, "norm: group")->layout()->count(Role::statistic), 0U);
  // Convolutions 48 x 64, 576 x 128, 512 x 256, dense 1024 x 2048 and 2048 x 2048, head 2048 x 10.
  EXPECT_EQ(make("alexnet", cifar)->layout()->size(),
            48U * 64 + 576 * 128 + 512 * 256 + 1024 * 2048 + 2048 * 2048 + 2048 * 10);
  // LEAF: 80 characters in 8 features, four gates of 256 units over 8 + 256 inputs and then over 256 + 256,
  // two biases each, 80 logits.
  EXPECT_EQ(make("char_lstm", {{80}, 80, 80})->layout()->size(),
            80U * 8 + 1024 * (8 + 256 + 2) + 1024 * (256 + 256 + 2) + 80 * 257);
}

TEST(Zoo, ReducedResnet18OfContinualLearning) {
  const DataSpec cifar{{3, 32, 32}, 10, 0};
  const auto bare = make("resnet18", cifar);
  // Stem 27 x 20. Stages of widths w: first convolution, three more of 9 w^2, and a 1x1 shortcut where it
  // widens; 160 maps of 2 x 2 pixels reach the head.
  EXPECT_EQ(bare->layout()->size(), 27U * 20 + 4 * 9 * 20 * 20 + (9 * 20 * 40 + 3 * 9 * 40 * 40 + 20 * 40) +
                                        (9 * 40 * 80 + 3 * 9 * 80 * 80 + 40 * 80) +
                                        (9 * 80 * 160 + 3 * 9 * 160 * 160 + 80 * 160) + 640 * 10);
  EXPECT_EQ(bare->layout()->size(), 1096540U);
  // 1 stem, 16 in blocks, 3 shortcuts: the 20 tensors that subspace methods protect; and the head.
  EXPECT_EQ(bare->layout()->slices().size(), 21U);
  EXPECT_EQ(bare->layout()->at("layer2.0.shortcut.0.weight").shape,
            (std::vector<std::int64_t>{40, 20, 1, 1}));
  // mini-ImageNet: 84 pixels, halved four times to 6 and pooled to 3, are 2304 inputs of the head.
  const auto wide = make("resnet18", {{3, 84, 84}, 5, 0}, "{width: 32, stem_stride: 2, norm: batch_stats}");
  EXPECT_EQ(wide->layout()->at("linear.weight").shape, (std::vector<std::int64_t>{5, 2304}));
  EXPECT_EQ(wide->layout()->count(Role::statistic), 0U);
}

TEST(Zoo, ResnetsRefuseDepthsAndGroupsThatDoNotExist) {
  const DataSpec cifar{{3, 32, 32}, 10, 0};
  EXPECT_THAT(refusal("resnet", cifar, "depth: 21"), HasSubstr("the nearest are 20 and 26"));
  EXPECT_THAT(refusal("resnet", cifar, "{norm: group, groups: 3}"), HasSubstr("3 groups do not divide"));
}

TEST(Zoo, SlicesHaveTheNamesAndShapesPeopleExpect) {
  const auto cnn = make("cnn", kMnist);
  EXPECT_EQ(slice_names(*cnn),
            (std::vector<std::string>{"conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias",
                                      "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"}));
  EXPECT_EQ(cnn->layout()->at("conv2.weight").shape, (std::vector<std::int64_t>{64, 32, 5, 5}));
  EXPECT_EQ(cnn->layout()->at("fc1.weight").shape, (std::vector<std::int64_t>{512, 3136}));
  EXPECT_EQ(slice_names(*make("softmax", kMnist)), (std::vector<std::string>{"fc.weight", "fc.bias"}));
}

TEST(Zoo, MlpTakesAnyHiddenWidths) {
  const auto model = make("mlp", {{5}, 3, 0}, "hidden: [7, 4, 6]");
  EXPECT_EQ(model->layout()->size(), 5U * 7 + 7 + 7 * 4 + 4 + 4 * 6 + 6 + 6 * 3 + 3);
  EXPECT_EQ(model->feature_width(), 6U);
  EXPECT_EQ(model->outputs(), 3U);
  EXPECT_EQ(make("mlp", {{5}, 3, 0}, "hidden: []")->layout()->size(), 5U * 3 + 3);
}

TEST(Zoo, CnnFitsOtherImages) {
  // 32 x 32 x 3: two poolings leave 8 x 8 x 64.
  EXPECT_EQ(make("cnn", {{3, 32, 32}, 10, 0})->layout()->at("fc1.weight").shape,
            (std::vector<std::int64_t>{512, 4096}));
  EXPECT_EQ(make("cnn", {{1, 5, 4}, 2, 0})->layout()->at("fc1.weight").shape,
            (std::vector<std::int64_t>{512, 64}));
}

TEST(Zoo, FlopsAreTwiceTheMultiplyAdds) {
  EXPECT_EQ(make("2nn", kMnist)->forward_flops(), 2.0 * (784 * 200 + 200 * 200 + 200 * 10));
  EXPECT_EQ(make("cnn", kMnist)->forward_flops(),
            2.0 * (784.0 * 25 * 32 + 196.0 * 800 * 64 + 3136.0 * 512 + 512 * 10));
}

TEST(Zoo, SaysWhatDoesNotFit) {
  EXPECT_THAT(refusal("cnn", {{784}, 10, 0}), HasSubstr("shape (784)"));
  EXPECT_THAT(refusal("cnn", {{1, 3, 28}, 10, 0}), HasSubstr("at least 4 x 4"));
  EXPECT_THAT(refusal("2nn", {{80}, 2, 1000}), HasSubstr("tokens"));
  EXPECT_THAT(refusal("softmax", {{80}, 1, 0}), HasSubstr("at least 2 classes"));
  EXPECT_THAT(refusal("mlp", kMnist, "hidden: [0]"), HasSubstr("out of range"));
  EXPECT_THAT(refusal("mlp", kMnist, "hiden: [3]"), HasSubstr("did you mean 'hidden'"));
  EXPECT_THAT(refusal("cnn", kMnist, "init: glorot"), HasSubstr("glorot_uniform"));
}

TEST(Zoo, InitChoosesTheStart) {
  const auto zeros = make("2nn", kMnist, "init: zeros");
  std::vector<float> values(zeros->layout()->size(), 1.0F);
  Random random(1, Stream::init);
  zeros->initialize(values, random);
  EXPECT_THAT(values, ::testing::Each(0.0F));
}

}  // namespace
}  // namespace fedloom
