// Residual networks of depth 6n + 2 for small images: three stages of n blocks with 16, 32 and 64 maps,
// option-A shortcuts between stages. With batch normalisation the slices have the names of the published
// CIFAR-10 weights; with group normalisation, which federations prefer because no statistics have to travel,
// the normalisations are called gn1 and gn2.
#include "models/layers/average_pool.hpp"
#include "models/layers/conv2d.hpp"
#include "models/layers/dense.hpp"
#include "models/layers/norm.hpp"
#include "models/layers/residual.hpp"
#include "models/sequential.hpp"
#include "models/zoo/requirements.hpp"

namespace fedloom {

namespace {

struct ResnetSettings {
  std::int64_t depth = 20;
  std::string norm = "batch";
  std::int64_t groups = 8;

  template <class Visitor>
  void visit(Visitor& v) {
    v("depth", depth, "layers with weights: 6n + 2, e.g. 20, 32, 44, 56 or 110", between(8, 1202));
    v("norm", norm, "normalisation: batch, or group (no running statistics)", one_of({"batch", "group"}));
    v("groups", groups, "groups of norm: group; they divide 16", between(1, 16));
  }
};

LayerRecipe normalise(const ResnetSettings& settings, const std::string& prefix, int number, bool relu) {
  if (settings.norm == "group")
    return group_norm(fmt::format("{}gn{}", prefix, number), settings.groups, relu);
  return batch_norm(fmt::format("{}bn{}", prefix, number), {.relu = relu});
}

LayerRecipe convolve(std::string name, std::int64_t channels, std::int64_t stride) {
  return conv2d(std::move(name), {.channels = channels,
                                  .kernel = 3,
                                  .stride = stride,
                                  .padding = 1,
                                  .initializer = Initializer::he_normal,
                                  .bias = false});
}

LayerRecipe block(const ResnetSettings& settings, const std::string& name, std::int64_t channels,
                  std::int64_t stride) {
  const std::string prefix = name + ".";
  std::vector<LayerRecipe> shortcut;
  if (stride != 1) shortcut.push_back(option_a_shortcut(channels));
  return residual(name,
                  {convolve(prefix + "conv1", channels, stride), normalise(settings, prefix, 1, true),
                   convolve(prefix + "conv2", channels, 1), normalise(settings, prefix, 2, false)},
                  shortcut, true);
}

std::unique_ptr<Model> make_resnet(const ResnetSettings& settings, const ModelContext& context) {
  constexpr std::int64_t kSmallest = 8;
  require_images("resnet", context.data, kSmallest);
  if ((settings.depth - 2) % 6 != 0)
    throw user_error("model resnet: a depth of {} is not 6n + 2; the nearest are {} and {}", settings.depth,
                     (settings.depth - 2) / 6 * 6 + 2, (settings.depth - 2) / 6 * 6 + 8);
  if (settings.norm == "group" && 16 % settings.groups != 0)
    throw user_error("model resnet: {} groups do not divide the 16 maps of the first stage", settings.groups);
  std::vector<LayerRecipe> layers{convolve("conv1", 16, 1), normalise(settings, "", 1, true)};
  for (std::int64_t stage = 0; stage < 3; ++stage)
    for (std::int64_t i = 0; i < (settings.depth - 2) / 6; ++i)
      layers.push_back(block(settings, fmt::format("layer{}.{}", stage + 1, i), std::int64_t{16} << stage,
                             stage > 0 && i == 0 ? 2 : 1));
  layers.push_back(global_average_pool());
  layers.push_back(
      dense("linear", {.outputs = context.data.classes, .initializer = Initializer::fan_in_uniform}));
  return sequential(context, layers);
}

const Registration<ModelRegistry, ResnetSettings> kResnet{
    {"resnet", "residual network of depth 6n + 2 for small images, with batch or group normalisation",
     "K. He, X. Zhang, S. Ren, J. Sun, Deep Residual Learning for Image Recognition, CVPR 2016"},
    make_resnet};

}  // namespace

}  // namespace fedloom
