// The AlexNet-like net of continual learning on Split-CIFAR100: three convolutions without padding, each with
// ReLU, dropout and pooling, and two dense layers of 2048; no biases.
#include "models/layers/conv2d.hpp"
#include "models/layers/dense.hpp"
#include "models/layers/dropout.hpp"
#include "models/layers/simple.hpp"
#include "models/sequential.hpp"
#include "models/zoo/requirements.hpp"

namespace fedloom {

namespace {

struct AlexnetSettings {
  std::int64_t hidden = 2048;
  bool dropout = true;

  template <class Visitor>
  void visit(Visitor& v) {
    v("hidden", hidden, "units of the two dense layers", between(1, 1 << 16));
    v("dropout", dropout, "drop 0.2, 0.2 and 0.5 of the maps and half of the dense values in training");
  }
};

LayerRecipe convolve(const std::string& name, std::int64_t channels, std::int64_t kernel) {
  return conv2d(name, {.channels = channels,
                       .kernel = kernel,
                       .relu = true,
                       .initializer = Initializer::fan_in_uniform,
                       .bias = false});
}

LayerRecipe connect(const std::string& name, std::int64_t outputs) {
  return dense(name,
               {.outputs = outputs, .relu = true, .initializer = Initializer::fan_in_uniform, .bias = false});
}

std::unique_ptr<Model> make_alexnet(const AlexnetSettings& settings, const ModelContext& context) {
  constexpr std::int64_t kSmallest = 19;
  require_images("alexnet", context.data, kSmallest);
  const auto rate = [&](double value) { return settings.dropout ? value : 0.0; };
  return sequential(
      context,
      {convolve("conv1", 64, 4), dropout(rate(0.2)), max_pool2x2(), convolve("conv2", 128, 3),
       dropout(rate(0.2)), max_pool2x2(), convolve("conv3", 256, 2), dropout(rate(0.5)), max_pool2x2(),
       flatten(), connect("fc1", settings.hidden), dropout(rate(0.5)), connect("fc2", settings.hidden),
       dropout(rate(0.5)),
       dense("head",
             {.outputs = context.data.classes, .initializer = Initializer::fan_in_uniform, .bias = false})});
}

const Registration<ModelRegistry, AlexnetSettings> kAlexnet{
    {"alexnet",
     "AlexNet-like net of continual learning: convolutions of 64, 128 and 256 maps, dense 2048 twice",
     "G. Saha, I. Garg, K. Roy, Gradient Projection Memory for Continual Learning, ICLR 2021"},
    make_alexnet};

}  // namespace

}  // namespace fedloom
