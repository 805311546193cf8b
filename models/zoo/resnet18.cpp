// The reduced ResNet-18 of continual learning: four stages of two blocks with w, 2w, 4w and 8w maps, 1x1
// convolutions as shortcuts between stages, no biases. GPM and FOT use w = 20 without
// normalisation on 5-Datasets, and w = 32 with a stem of stride 2 and batch statistics on mini-ImageNet.
#include "models/layers/activations.hpp"
#include "models/layers/average_pool.hpp"
#include "models/layers/chain.hpp"
#include "models/layers/conv2d.hpp"
#include "models/layers/dense.hpp"
#include "models/layers/norm.hpp"
#include "models/layers/residual.hpp"
#include "models/layers/simple.hpp"
#include "models/sequential.hpp"
#include "models/zoo/requirements.hpp"

namespace fedloom {

namespace {

struct Resnet18Settings {
  std::int64_t width = 20;
  std::string norm = "none";
  std::int64_t stem_stride = 1;

  template <class Visitor>
  void visit(Visitor& v) {
    v("width", width, "maps of the first stage; later stages have 2, 4 and 8 times as many", between(1, 256));
    v("norm", norm, "none; batch: running values outside training; batch_stats: the batch's own always",
      one_of({"none", "batch", "batch_stats"}));
    v("stem_stride", stem_stride, "stride of the first convolution", between(1, 2));
  }
};

class Builder {
 public:
  explicit Builder(const Resnet18Settings& settings) : settings_(settings) {}

  // A convolution with the normalisation that follows it.
  LayerRecipe convolve(const std::string& conv, const std::string& norm, std::int64_t channels,
                       std::int64_t kernel, std::int64_t stride, bool relu) const {
    const bool bare = settings_.norm == "none";
    std::vector<LayerRecipe> layers{conv2d(conv, {.channels = channels,
                                                  .kernel = kernel,
                                                  .stride = stride,
                                                  .padding = kernel / 2,
                                                  .relu = relu && bare,
                                                  .initializer = Initializer::fan_in_uniform,
                                                  .bias = false})};
    if (!bare) layers.push_back(batch_norm(norm, {.relu = relu, .running = settings_.norm == "batch"}));
    return chain(conv, layers);
  }

  LayerRecipe block(const std::string& name, std::int64_t channels, std::int64_t stride,
                    bool projects) const {
    std::vector<LayerRecipe> shortcut;
    if (projects)
      shortcut.push_back(convolve(name + ".shortcut.0", name + ".shortcut.1", channels, 1, stride, false));
    return residual(name,
                    {convolve(name + ".conv1", name + ".bn1", channels, 3, stride, true),
                     convolve(name + ".conv2", name + ".bn2", channels, 3, 1, false)},
                    shortcut, true);
  }

 private:
  const Resnet18Settings& settings_;
};

std::unique_ptr<Model> make_resnet18(const Resnet18Settings& settings, const ModelContext& context) {
  constexpr std::int64_t kSmallest = 16;
  require_images("resnet18", context.data, kSmallest * settings.stem_stride);
  const Builder builder(settings);
  std::vector<LayerRecipe> layers{
      builder.convolve("conv1", "bn1", settings.width, 3, settings.stem_stride, true)};
  for (std::int64_t stage = 0; stage < 4; ++stage)
    for (std::int64_t i = 0; i < 2; ++i) {
      const bool first = stage > 0 && i == 0;
      layers.push_back(builder.block(fmt::format("layer{}.{}", stage + 1, i), settings.width << stage,
                                     first ? 2 : 1, first));
    }
  // 32 pixels have become 4, and are 2 x 2 after this: the 640 inputs of the head at width 20.
  layers.push_back(average_pool({.kernel = 2}));
  layers.push_back(flatten());
  layers.push_back(
      dense("linear",
            {.outputs = context.data.classes, .initializer = Initializer::fan_in_uniform, .bias = false}));
  return sequential(context, layers);
}

const Registration<ModelRegistry, Resnet18Settings> kResnet18{
    {"resnet18", "reduced ResNet-18 of continual learning, without biases, with or without normalisation",
     "G. Saha, I. Garg, K. Roy, Gradient Projection Memory for Continual Learning, ICLR 2021"},
    make_resnet18};

}  // namespace

}  // namespace fedloom
