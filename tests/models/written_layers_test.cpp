// Models written layer by layer: names, defaults, what melts together, and errors with their place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "models/layers/written_layer.hpp"
#include "models/model.hpp"

namespace fedloom {
namespace {

using ::testing::HasSubstr;

const DataSpec kImages{{1, 8, 8}, 3, 0};

const ModelRegistry::Entry& entry() { return ModelRegistry::instance().find("sequential", "model"); }

std::unique_ptr<Model> make(const std::string& layers, const DataSpec& spec = kImages) {
  return entry().make(ConfigNode::from_text("layers: " + layers, "exp.yaml"), spec);
}

std::string refusal(const std::string& layers) {
  try {
    (void)make(layers);
  } catch (const UserError& error) {
    return error.what();
  }
  return "accepted";
}

std::string slices(const Model& model) {
  std::string text;
  for (const Slice& slice : model.layout()->slices())
    text += fmt::format("{}({}) ", slice.name, fmt::join(slice.shape, ","));
  return text;
}

TEST(WrittenLayers, NamesCountWithinAKind) {
  EXPECT_EQ(
      slices(*make("[{conv2d: 2}, {conv2d: {channels: 3, bias: false}}, relu, flatten, {dense: 5}, dense]")),
      "conv1.weight(2,1,3,3) conv1.bias(2) conv2.weight(3,2,3,3) fc1.weight(5,48) fc1.bias(5) "
      "fc2.weight(3,5) fc2.bias(3) ");
  EXPECT_EQ(slices(*make("[{dense: {name: fc2, outputs: 4}}, {dense: 6}, dense]")),
            "fc2.weight(4,64) fc2.bias(4) fc1.weight(6,4) fc1.bias(6) fc3.weight(3,6) fc3.bias(3) ");
}

TEST(WrittenLayers, BlocksNameTheirOwnLayers) {
  EXPECT_EQ(
      slices(*make("[{residual: {branch: [{conv2d: {channels: 4, padding: 1, stride: 2, bias: false}}, "
                   "{group_norm: 2}], shortcut: [{subsample: 4}]}}, relu, "
                   "{residual: [{conv2d: {channels: 4, padding: 1, bias: false}}]}, "
                   "global_average_pool, dense]")),
      "block1.conv1.weight(4,1,3,3) block1.gn1.weight(4) block1.gn1.bias(4) block2.conv1.weight(4,4,3,3) "
      "fc1.weight(3,4) fc1.bias(3) ");
}

// What melts into the layer before it gives the same logits and gradients as layers of their own, which a
// dropout of nothing between them makes of it.
TEST(WrittenLayers, MeltedLayersAreTheSameModel) {
  const std::string parts[][2] = {{"relu", "{dropout: 0}, relu"}, {"max_pool", "{dropout: 0}, max_pool"}};
  const auto written = [&](std::size_t apart) {
    return make(fmt::format("[{{conv2d: 2}}, {}, {}, {{dense: 5}}, {}, dense]", parts[0][apart],
                            parts[1][apart], parts[0][apart]));
  };
  std::vector<float> features(2 * 64);
  Random random(1, Stream::dataset);
  for (float& value : features) value = static_cast<float>(random.normal());
  const Batch batch{.size = 2, .features = features.data()};
  std::vector<std::vector<float>> results;
  for (const std::size_t apart : {0U, 1U}) {
    const auto model = written(apart);
    std::vector<float> parameters(model->layout()->size());
    Random start(2, Stream::init);
    model->initialize(parameters, start);
    const auto workspace = model->workspace(2);
    const auto logits = model->forward(parameters, batch, *workspace, {});
    std::vector<float> result(logits.begin(), logits.end());
    std::vector<float> gradient(parameters.size());
    model->backward(parameters, batch, *workspace, std::vector<float>(6, 1.0F), gradient, {});
    result.insert(result.end(), gradient.begin(), gradient.end());
    results.push_back(result);
  }
  ASSERT_EQ(results[0].size(), results[1].size());
  for (std::size_t i = 0; i < results[0].size(); ++i) EXPECT_NEAR(results[0][i], results[1][i], 1e-5F);
}

TEST(WrittenLayers, ResolvedTextHasEveryDefaultAndReadsBack) {
  const auto resolved = [](const std::string& text) {
    return entry().resolve(ConfigNode::from_text(text, "exp.yaml"));
  };
  const std::string text =
      resolved("layers: [{conv2d: {name: stem, kernel: 5}}, relu, {residual: [{dropout: 0.25}]}, dense]");
  EXPECT_EQ(
      text,
      "layers: [{conv2d: {name: stem, channels: 32, kernel: 5, stride: 1, padding: 0, bias: true, init: "
      "fan_in_uniform}}, relu, {residual: {branch: [{dropout: {rate: 0.25}}], shortcut: []}}, {dense: "
      "{outputs: classes, bias: true, per_position: false, init: fan_in_uniform}}]\n");
  EXPECT_EQ(resolved(text), text);
}

TEST(WrittenLayers, ErrorsSayWhereAndWhat) {
  EXPECT_EQ(refusal("[relu, {max_pol: 2}, dense]"),
            "exp.yaml:1:16: layers[1]: no layer is called 'max_pol' (did you mean 'max_pool'?); known: " +
                fmt::format("{}", fmt::join(LayerRegistry::instance().names(), ", ")));
  EXPECT_THAT(refusal("[{conv2d: {chanels: 3}}, dense]"),
              HasSubstr("layers[0].conv2d.chanels: unknown key; did you mean 'channels'?"));
  EXPECT_THAT(refusal("[{dropout: 1.5}, dense]"), HasSubstr("layers[0].dropout.rate: 1.5 is out of range"));
  EXPECT_EQ(refusal("[flatten, {conv2d: 3}, dense]").substr(0, 26), "exp.yaml:1:19: layers[1]: ");
  EXPECT_THAT(refusal("[{dense: many}]"), HasSubstr("layers[0]: outputs are a number"));
  EXPECT_THAT(refusal("[dense, {dense: 4}]"), HasSubstr("gives 4 values, but the data set has 3 classes"));
  EXPECT_THAT(refusal("[{relu: {name: a}}, dense]"), HasSubstr("no slices that could be named"));
  EXPECT_THAT(refusal("[{dense: {name: a}}, {dense: {name: a}}]"), HasSubstr("also called 'a'"));
  EXPECT_THAT(refusal("[{relu: 3}, dense]"), HasSubstr("a layer 'relu' has no settings"));
  EXPECT_THAT(refusal("[{relu: {}, dense: {}}]"), HasSubstr("found relu, dense"));
  EXPECT_THAT(refusal("[]"), HasSubstr("needs 'layers'"));
  // Inside a block the innermost place is named, once.
  EXPECT_EQ(refusal("[{residual: [{group_norm: 3}]}, dense]").substr(0, 44),
            "exp.yaml:1:22: layers[0].residual.branch[0]:");
  EXPECT_THAT(refusal("[{residual: [{conv2d: 4}]}, dense]"), HasSubstr("give it a shortcut"));
}

}  // namespace
}  // namespace fedloom
