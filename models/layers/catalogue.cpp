// The layers of image models under the names they have in a written list (models/layers/written_layer.hpp),
// with their settings. Layers of sequences register beside their own code.
#include <charconv>

#include "core/error.hpp"
#include "models/layers/activations.hpp"
#include "models/layers/average_pool.hpp"
#include "models/layers/conv2d.hpp"
#include "models/layers/dense.hpp"
#include "models/layers/dropout.hpp"
#include "models/layers/max_pool.hpp"
#include "models/layers/norm.hpp"
#include "models/layers/residual.hpp"
#include "models/layers/simple.hpp"
#include "models/layers/written_layer.hpp"

namespace fedloom {

namespace {

constexpr double kMost = 1 << 20;  // of channels and outputs

struct ConvSettings {
  std::int64_t channels = 32;
  std::int64_t kernel = 3;
  std::int64_t stride = 1;
  std::int64_t padding = 0;
  bool bias = true;
  std::string init = "fan_in_uniform";

  template <class Visitor>
  void visit(Visitor& v) {
    v("channels", channels, "maps it makes", between(1, kMost));
    v("kernel", kernel, "side of the square window", at_least(1));
    v("stride", stride, "pixels from one window to the next", at_least(1));
    v("padding", padding, "zeros on every side; (kernel - 1) / 2 keeps the size", at_least(0));
    v("bias", bias, "whether each map has a constant");
    v("init", init, "how weights start", initializer_names());
  }
};

const LayerRegistration<ConvSettings> kConv{
    {"conv2d", "two-dimensional convolution of (channels, height, width)", ""},
    "conv",
    [](const ConvSettings& settings, const LayerPlace& place) {
      if (settings.padding >= settings.kernel)
        throw user_error("a padding of {} reaches beyond the kernel of {}", settings.padding,
                         settings.kernel);
      return conv2d(place.name, {.channels = settings.channels,
                                 .kernel = settings.kernel,
                                 .stride = settings.stride,
                                 .padding = settings.padding,
                                 .relu = place.relu,
                                 .pool = place.pool,
                                 .initializer = initializer(settings.init),
                                 .bias = settings.bias});
    },
    [](const ConvSettings&) { return Melting{.takes_relu = true, .takes_pool = true}; }};

struct DenseSettings {
  std::string outputs = "classes";
  bool bias = true;
  bool per_position = false;
  std::string init = "fan_in_uniform";

  template <class Visitor>
  void visit(Visitor& v) {
    v("outputs", outputs, "values it gives: a number, or 'classes' for as many as the data set has");
    v("bias", bias, "whether each output has a constant");
    v("per_position", per_position, "apply it to every position of a sequence instead of all values at once");
    v("init", init, "how weights start", initializer_names());
  }
};

std::int64_t outputs_of(const DenseSettings& settings, const DataSpec& data) {
  if (settings.outputs == "classes") return data.classes;
  std::int64_t outputs = 0;
  const char* end = settings.outputs.data() + settings.outputs.size();
  const auto [stop, error] = std::from_chars(settings.outputs.data(), end, outputs);
  if (error != std::errc{} || stop != end || outputs < 1 || static_cast<double>(outputs) > kMost)
    throw user_error("outputs are a number from 1 to {} or 'classes', found '{}'", kMost, settings.outputs);
  return outputs;
}

const LayerRegistration<DenseSettings> kDense{
    {"dense", "fully connected layer", ""},
    "fc",
    [](const DenseSettings& settings, const LayerPlace& place) {
      return dense(place.name, {.outputs = outputs_of(settings, place.data),
                                .relu = place.relu,
                                .initializer = initializer(settings.init),
                                .bias = settings.bias,
                                .per_position = settings.per_position});
    },
    [](const DenseSettings&) { return Melting{.takes_relu = true}; }};

struct PoolSettings {
  std::int64_t kernel = 2;
  std::int64_t stride = 0;
  std::int64_t padding = 0;

  template <class Visitor>
  void visit(Visitor& v) {
    v("kernel", kernel, "side of the square window", between(1, 15));
    v("stride", stride, "pixels from one window to the next; 0: the kernel", at_least(0));
    v("padding", padding, "pixels added on every side, at most half the kernel", at_least(0));
  }

  PoolOptions options() const { return {.kernel = kernel, .stride = stride, .padding = padding}; }
};

const LayerRegistration<PoolSettings> kMaxPool{
    {"max_pool", "largest value of each window", ""},
    "",
    [](const PoolSettings& settings, const LayerPlace&) { return max_pool(settings.options()); },
    [](const PoolSettings& settings) {
      return Melting{.is_pool = settings.kernel == 2 && settings.padding == 0 &&
                                (settings.stride == 0 || settings.stride == 2)};
    }};

const LayerRegistration<PoolSettings> kAveragePool{
    {"average_pool", "mean of each window", ""}, "", [](const PoolSettings& settings, const LayerPlace&) {
      return average_pool(settings.options());
    }};

const LayerRegistration<NoSettings> kGlobalAveragePool{
    {"global_average_pool", "mean of each map: (channels, height, width) to (channels)", ""},
    "",
    [](const NoSettings&, const LayerPlace&) { return global_average_pool(); }};

const LayerRegistration<NoSettings> kFlatten{{"flatten", "the same values as one row", ""},
                                             "",
                                             [](const NoSettings&, const LayerPlace&) { return flatten(); }};

const LayerRegistration<NoSettings> kRelu{{"relu", "max(x, 0)", ""},
                                          "",
                                          [](const NoSettings&, const LayerPlace&) { return relu(); },
                                          [](const NoSettings&) { return Melting{.is_relu = true}; }};

const LayerRegistration<NoSettings> kGelu{
    {"gelu", "x times the normal distribution function of x",
     "D. Hendrycks, K. Gimpel, Gaussian Error Linear Units, arXiv:1606.08415, 2016"},
    "",
    [](const NoSettings&, const LayerPlace&) { return gelu(); }};

const LayerRegistration<NoSettings> kTanh{{"tanh", "hyperbolic tangent", ""},
                                          "",
                                          [](const NoSettings&, const LayerPlace&) { return tanh_layer(); }};

const LayerRegistration<NoSettings> kSigmoid{
    {"sigmoid", "1 / (1 + exp(-x))", ""}, "", [](const NoSettings&, const LayerPlace&) { return sigmoid(); }};

struct DropoutSettings {
  double rate = 0.5;

  template <class Visitor>
  void visit(Visitor& v) {
    v("rate", rate, "share of values set to zero in training", between(0, 0.99));
  }
};

const LayerRegistration<DropoutSettings> kDropout{
    {"dropout", "sets values to zero at random in training",
     "N. Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, JMLR 15, "
     "2014"},
    "",
    [](const DropoutSettings& settings, const LayerPlace&) { return dropout(settings.rate); }};

struct GroupNormSettings {
  std::int64_t groups = 8;

  template <class Visitor>
  void visit(Visitor& v) {
    v("groups", groups, "groups of channels; the number divides them", at_least(1));
  }
};

const LayerRegistration<GroupNormSettings> kGroupNorm{
    {"group_norm", "zero mean and unit variance over groups of channels of an example",
     "Y. Wu, K. He, Group Normalization, ECCV 2018"},
    "gn",
    [](const GroupNormSettings& settings, const LayerPlace& place) {
      return group_norm(place.name, settings.groups, place.relu);
    },
    [](const GroupNormSettings&) { return Melting{.takes_relu = true}; }};

struct BatchNormSettings {
  bool running = true;

  template <class Visitor>
  void visit(Visitor& v) {
    v("running", running, "use running values outside training; otherwise the batch's own always");
  }
};

const LayerRegistration<BatchNormSettings> kBatchNorm{
    {"batch_norm", "zero mean and unit variance of each channel over the batch",
     "S. Ioffe, C. Szegedy, Batch Normalization, ICML 2015"},
    "bn",
    [](const BatchNormSettings& settings, const LayerPlace& place) {
      return batch_norm(place.name, {.relu = place.relu, .running = settings.running});
    },
    [](const BatchNormSettings&) { return Melting{.takes_relu = true}; }};

struct ResidualSettings {
  std::vector<StepSpec> branch;
  std::vector<StepSpec> shortcut;

  template <class Visitor>
  void visit(Visitor& v) {
    v("branch", branch, "layers whose result is added to the input");
    v("shortcut", shortcut, "layers that the input passes before it is added; none: the input itself");
  }
};

const LayerRegistration<ResidualSettings> kResidual{
    {"residual", "block that adds its input, or a shortcut of it, to what its branch makes of it",
     "K. He, X. Zhang, S. Ren, J. Sun, Deep Residual Learning for Image Recognition, CVPR 2016"},
    "block",
    [](const ResidualSettings& settings, const LayerPlace& place) {
      if (settings.branch.empty()) throw user_error("a residual block needs layers in its branch");
      return residual(place.name, written_layers(settings.branch, place.data, place.name + "."),
                      written_layers(settings.shortcut, place.data, place.name + ".shortcut."), place.relu);
    },
    [](const ResidualSettings&) { return Melting{.takes_relu = true}; }};

struct SubsampleSettings {
  std::int64_t channels = 32;

  template <class Visitor>
  void visit(Visitor& v) {
    v("channels", channels, "maps it gives; zero maps are added on both sides", between(1, kMost));
  }
};

const LayerRegistration<SubsampleSettings> kSubsample{
    {"subsample", "every second pixel, and zero maps up to a number: a residual block's option-A shortcut",
     "K. He, X. Zhang, S. Ren, J. Sun, Deep Residual Learning for Image Recognition, CVPR 2016"},
    "",
    [](const SubsampleSettings& settings, const LayerPlace&) {
      return option_a_shortcut(settings.channels);
    }};

}  // namespace

}  // namespace fedloom
