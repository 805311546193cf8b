// Legend: C input channels, O output channels, K = C * kernel^2 patch, P output positions of an image, n
// images of a block; x image, X (K, nP) patches, W (O, K), Z (O, nP) before bias; d* is the gradient of *.
//   Z = W X;   y = pool(relu(Z + b));   dW += dZ X^T;   db = row sums of dZ;   dX = W^T dZ;   dx = col2im(dX)
// The form for narrow images; models/layers/conv_direct.cpp is the other.
// Blocks are small enough that X, Z and dZ stay in the second-level cache; X is made again in backward, which
// is cheaper than keeping it. The maximum is taken before bias and ReLU (see pooling.hpp).
#include "models/layers/conv2d.hpp"

#include <algorithm>
#include <vector>

#include "core/error.hpp"
#include "models/elementwise.hpp"
#include "models/gemm.hpp"
#include "models/layers/conv_direct.hpp"
#include "models/layers/im2col.hpp"
#include "models/layers/pooling.hpp"

namespace fedloom {

namespace {

std::size_t extent(std::int64_t value) { return static_cast<std::size_t>(value); }

std::size_t aligned(std::size_t floats) { return (floats + 15) / 16 * 16; }

class Conv2d final : public Layer {
 public:
  Conv2d(std::string name, const Shape& input, const Shape& output, Conv2dOptions options,
         ParameterPlan& plan)
      : Layer(std::move(name), input, output),
        options_(options),
        form_{extent(input[0]),       extent(input[1]),       extent(input[2]),
              extent(options.kernel), extent(options.stride), extent(options.padding)},
        out_channels_(extent(options.channels)),
        weight_(plan.add(this->name() + ".weight",
                         {options.channels, input[0], options.kernel, options.kernel})) {
    if (options_.bias) bias_ = plan.add(this->name() + ".bias", {options.channels});
  }

  LayerNeeds needs(std::size_t max_batch) const override {
    const Scratch end = scratch(nullptr, block_images(max_batch));
    return {.kept_bytes = options_.pool ? max_batch * output_width() : 0, .scratch_floats = end.floats};
  }

  void initialize(std::span<float> parameters, Random& random) const override {
    const std::size_t taps = form_.kernel * form_.kernel;
    fedloom::initialize(options_.initializer, {form_.patch(), out_channels_ * taps},
                        parameters.subspan(weight_.offset, weight_.size),
                        parameters.subspan(bias_.offset, bias_.size), random);
  }

  double forward_flops() const override {
    return 2.0 * static_cast<double>(out_channels_ * form_.patch()) * static_cast<double>(form_.positions());
  }

  void forward(const ForwardPass& pass, const float* x, float* y,
               const LayerStorage& storage) const override {
    const std::size_t step = block_images(pass.batch.size);
    const Scratch space = scratch(storage.scratch, step);
    for (std::size_t first = 0; first < pass.batch.size; first += step) {
      const std::size_t n = std::min(step, pass.batch.size - first);
      const std::size_t positions = n * form_.positions();
      gather_patches(x + first * input_width(), n, space);
      if (pass.options.observer != nullptr) observe(*pass.options.observer, n, space);
      gemm({out_channels_, positions, form_.patch(), plain(pass.parameters + weight_.offset, form_.patch()),
            plain(space.columns, positions), space.planes, positions});
      finish(bias_of(pass.parameters), n, space, y + first * output_width(), choice(storage, first));
    }
  }

  void backward(const BackwardPass& pass, const float* x, const float* y, float* dy, float* dx,
                const LayerStorage& storage) const override {
    const std::size_t K = form_.patch();
    // Norms need each image's own gradient, so blocks are then single images.
    const std::size_t step = pass.square_norms != nullptr ? 1 : block_images(pass.batch.size);
    const Scratch space = scratch(storage.scratch, step);
    float* weight_gradient =
        pass.gradient != nullptr && weight_.trained ? pass.gradient + weight_.offset : nullptr;
    float* bias_gradient = pass.gradient != nullptr && trains_bias() ? pass.gradient + bias_.offset : nullptr;
    const bool wants_norms = pass.square_norms != nullptr && (weight_.trained || trains_bias());
    if (bias_gradient != nullptr) std::fill_n(bias_gradient, out_channels_, 0.0F);
    for (std::size_t first = 0; first < pass.batch.size; first += step) {
      const std::size_t n = std::min(step, pass.batch.size - first);
      const std::size_t positions = n * form_.positions();
      const std::size_t at = first * output_width();
      undo_finish(y + at, dy + at, choice(storage, first), n, space);
      if (weight_gradient != nullptr || (wants_norms && weight_.trained))
        gather_patches(x + first * input_width(), n, space);
      if (weight_gradient != nullptr)
        gemm({out_channels_, K, positions, plain(space.planes, positions),
              transposed(space.columns, positions), weight_gradient, K, first > 0});
      if (bias_gradient != nullptr)
        for (std::size_t o = 0; o < out_channels_; ++o)
          bias_gradient[o] += sum(space.planes + o * positions, positions);
      if (wants_norms) pass.square_norms[first] += image_square_norm(space);
      if (dx == nullptr) continue;
      gemm({K, positions, out_channels_, transposed(pass.parameters + weight_.offset, K),
            plain(space.planes, positions), space.columns, positions});
      col2im(form_, space.columns, n, dx + first * input_width());
    }
  }

 private:
  // Parts of the scratch memory, for blocks of some number of images.
  struct Scratch {
    float* padded;   // (n, C, padded height, padded width)
    float* columns;  // (K, nP): X, and later dX
    float* planes;   // (O, nP): Z, and dZ
    float* weight;   // (O, K): the gradient of a single image
    std::size_t floats;
  };

  // Images whose patches and planes fill about half a megabyte, a share of any second-level cache.
  std::size_t block_images(std::size_t batch) const {
    constexpr std::size_t kBlockFloats = std::size_t{512} * 1024 / sizeof(float);
    const std::size_t per_image = (form_.patch() + out_channels_) * form_.positions();
    return std::clamp<std::size_t>(kBlockFloats / per_image, 1, std::max<std::size_t>(batch, 1));
  }

  Scratch scratch(float* base, std::size_t images) const {
    Scratch space{};
    const auto part = [&](std::size_t floats, std::size_t slack) {
      float* start = base == nullptr ? nullptr : base + space.floats + slack;
      space.floats += aligned(floats + 2 * slack);
      return start;
    };
    space.padded = part(images * form_.padded_size(), kIm2colSlack);
    space.columns = part(images * form_.patch() * form_.positions(), kIm2colSlack);
    space.planes = part(images * out_channels_ * form_.positions(), 0);
    space.weight = part(out_channels_ * form_.patch(), 0);
    return space;
  }

  std::uint8_t* choice(const LayerStorage& storage, std::size_t image) const {
    return options_.pool ? storage.kept + image * output_width() : nullptr;
  }

  bool trains_bias() const { return options_.bias && bias_.trained; }
  // nullptr without bias.
  const float* bias_of(const float* parameters) const {
    return options_.bias ? parameters + bias_.offset : nullptr;
  }

  PoolPlanes planes_of_image(std::size_t images) const {
    return {out_channels_, form_.out_height(), form_.out_width(), images * form_.positions()};
  }

  void gather_patches(const float* x, std::size_t n, const Scratch& space) const {
    pad_images(form_, x, n, space.padded);
    im2col(form_, space.padded, n, space.columns);
  }

  void observe(LayerObserver& observer, std::size_t n, const Scratch& space) const {
    std::vector<float> rows(form_.positions() * form_.patch());
    for (std::size_t image = 0; image < n; ++image) {
      patch_rows(form_, space.columns, n, image, rows.data());
      observer.layer_input(name(), rows, form_.positions(), form_.patch());
    }
  }

  // From Z (O, nP) to the output (n, O, ...).
  void finish(const float* bias, std::size_t n, const Scratch& space, float* y, std::uint8_t* choice) const {
    const std::size_t P = form_.positions();
    for (std::size_t image = 0; image < n; ++image, y += output_width()) {
      if (options_.pool) {
        pool2x2(planes_of_image(n), space.planes + image * P, bias, options_.relu, y,
                choice + image * output_width());
        continue;
      }
      for (std::size_t o = 0; o < out_channels_; ++o)
        bias_plane(space.planes + o * n * P + image * P, bias == nullptr ? 0.0F : bias[o], options_.relu, P,
                   y + o * P);
    }
  }

  // From the output's gradient to dZ.
  void undo_finish(const float* y, float* dy, const std::uint8_t* choice, std::size_t n,
                   const Scratch& space) const {
    const std::size_t P = form_.positions();
    if (!options_.pool && options_.relu) relu_backward(dy, y, n * output_width());
    for (std::size_t image = 0; image < n; ++image, dy += output_width()) {
      if (options_.pool) {
        unpool2x2(planes_of_image(n), dy, choice + image * output_width(), space.planes + image * P);
        continue;
      }
      for (std::size_t o = 0; o < out_channels_; ++o)
        std::copy_n(dy + o * P, P, space.planes + o * n * P + image * P);
    }
  }

  double image_square_norm(const Scratch& space) const {
    const std::size_t K = form_.patch();
    const std::size_t P = form_.positions();
    double total = 0.0;
    if (weight_.trained) {
      gemm({out_channels_, K, P, plain(space.planes, P), transposed(space.columns, P), space.weight, K});
      total += square_norm(space.weight, out_channels_ * K);
    }
    for (std::size_t o = 0; trains_bias() && o < out_channels_; ++o) {
      const auto bias_gradient = static_cast<double>(sum(space.planes + o * P, P));
      total += bias_gradient * bias_gradient;
    }
    return total;
  }

  Conv2dOptions options_;
  ConvGeometry form_;
  std::size_t out_channels_;
  Held weight_;
  Held bias_;
};

Shape output_shape_of(const std::string& name, const Shape& input, const Conv2dOptions& options) {
  if (input.size() != 3)
    throw user_error("convolution '{}' needs (channels, height, width), found {}", name, to_string(input));
  Shape output{options.channels};
  for (const std::int64_t size : {input[1], input[2]}) {
    const std::int64_t padded = size + 2 * options.padding;
    const std::int64_t positions =
        padded < options.kernel ? 0 : (padded - options.kernel) / options.stride + 1;
    if (positions < (options.pool ? 2 : 1))
      throw user_error("convolution '{}' with a {} x {} kernel{} does not fit images of {}", name,
                       options.kernel, options.kernel, options.pool ? " and 2x2 pooling" : "",
                       to_string(input));
    output.push_back(options.pool ? positions / 2 : positions);
  }
  return output;
}

}  // namespace

LayerRecipe conv2d(std::string name, Conv2dOptions options) {
  FEDLOOM_CHECK(options.channels >= 1 && options.kernel >= 1 && options.stride >= 1 && options.padding >= 0 &&
                    options.padding < options.kernel,
                "convolution '{}' with {} channels, kernel {}, stride {}, padding {}", name, options.channels,
                options.kernel, options.stride, options.padding);
  return
      [name = std::move(name), options](const Shape& input, ParameterPlan& plan) -> std::unique_ptr<Layer> {
        const Shape output = output_shape_of(name, input, options);
        const std::int64_t width = (input[2] + 2 * options.padding - options.kernel) / options.stride + 1;
        if (conv_direct_fits(extent(width))) return conv_direct(name, input, output, options, plan);
        return std::make_unique<Conv2d>(name, input, output, options, plan);
      };
}

}  // namespace fedloom
