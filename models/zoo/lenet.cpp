// LeNet-5 as federated papers use it (ReLU and max-pooling instead of the original's tanh and trained
// subsampling), and the net of the same form in Flower's PyTorch quickstart.
#include "models/layers/conv2d.hpp"
#include "models/layers/dense.hpp"
#include "models/layers/simple.hpp"
#include "models/sequential.hpp"
#include "models/zoo/requirements.hpp"

namespace fedloom {

namespace {

struct LenetSettings {
  std::string init = "fan_in_uniform";

  template <class Visitor>
  void visit(Visitor& v) {
    v("init", init, "how weights start", initializer_names());
  }
};

// Two convolutions of 6 and 16 maps and three dense layers; `padding` of the first convolution.
std::unique_ptr<Model> two_convolutions(const LenetSettings& settings, const ModelContext& context,
                                        std::int64_t padding) {
  const Initializer how = initializer(settings.init);
  Conv2dOptions conv{
      .channels = 6, .kernel = 5, .padding = padding, .relu = true, .pool = true, .initializer = how};
  const LayerRecipe first = conv2d("conv1", conv);
  conv.channels = 16;
  conv.padding = 0;
  return sequential(context, {first, conv2d("conv2", conv), flatten(),
                              dense("fc1", {.outputs = 120, .relu = true, .initializer = how}),
                              dense("fc2", {.outputs = 84, .relu = true, .initializer = how}),
                              dense("fc3", {.outputs = context.data.classes, .initializer = how})});
}

const Registration<ModelRegistry, LenetSettings> kLenet{
    {"lenet5", "LeNet-5: 5x5 convolutions of 6 and 16 maps with ReLU and pooling, dense 120 and 84",
     "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-Based Learning Applied to Document Recognition, "
     "Proceedings of the IEEE, 1998"},
    [](const LenetSettings& settings, const ModelContext& context) {
      constexpr std::int64_t kSmallest = 12;
      constexpr std::int64_t kOriginal = 32;  // smaller images are padded, as MNIST's are
      require_images("lenet5", context.data, kSmallest);
      return two_convolutions(settings, context, context.data.shape[1] < kOriginal ? 2 : 0);
    }};

const Registration<ModelRegistry, LenetSettings> kCifarCnn{
    {"cifar_cnn", "the small CIFAR-10 net of Flower's quickstart: LeNet-5 without padding",
     "D. J. Beutel et al., Flower: A Friendly Federated Learning Research Framework, arXiv:2007.14390, 2020"},
    [](const LenetSettings& settings, const ModelContext& context) {
      constexpr std::int64_t kSmallest = 16;
      require_images("cifar_cnn", context.data, kSmallest);
      return two_convolutions(settings, context, 0);
    }};

}  // namespace

}  // namespace fedloom
