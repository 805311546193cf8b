// Legend: x, y and f = branch(x), s = shortcut(x), all per example: y = relu(f + s);
//   d = dy where y > 0;   dx = branch'(d) + shortcut'(d)
#include "models/layers/residual.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/simd.hpp"
#include "models/elementwise.hpp"
#include "models/layers/chain.hpp"

namespace fedloom {

namespace {

FEDLOOM_SIMD_CLONES
void add_rows(const float* f, const float* s, bool relu, float* y, std::size_t n) {
  if (relu) {
    for (std::size_t i = 0; i < n; ++i) {
      const float value = f[i] + s[i];
      y[i] = value < 0.0F ? 0.0F : value;
    }
  } else {
    for (std::size_t i = 0; i < n; ++i) y[i] = f[i] + s[i];
  }
}

class Residual final : public Layer {
 public:
  Residual(std::string name, std::unique_ptr<Chain> branch, std::unique_ptr<Chain> shortcut, bool relu)
      : Layer(std::move(name), branch->input_shape(), branch->output_shape()),
        branch_(std::move(branch)),
        shortcut_(std::move(shortcut)),
        relu_(relu) {}

  LayerNeeds needs(std::size_t max_batch) const override {
    const LayerNeeds branch = branch_->needs(max_batch);
    const LayerNeeds shortcut = shortcut_->needs(max_batch);
    const std::size_t copies = output_floats(max_batch) + input_floats(max_batch);
    return {.kept_bytes = 2 * output_floats(max_batch) * sizeof(float) + aligned_bytes(branch.kept_bytes) +
                          aligned_bytes(shortcut.kept_bytes),
            .scratch_floats = copies + std::max(branch.scratch_floats, shortcut.scratch_floats)};
  }

  std::string mixing_layer() const override {
    std::string name = branch_->mixing_layer();
    return name.empty() ? shortcut_->mixing_layer() : name;
  }

  void initialize(std::span<float> parameters, Random& random) const override {
    branch_->initialize(parameters, random);
    shortcut_->initialize(parameters, random);
  }

  double forward_flops() const override { return branch_->forward_flops() + shortcut_->forward_flops(); }

  void forward(const ForwardPass& pass, const float* x, float* y,
               const LayerStorage& storage) const override {
    const Parts parts = split(storage);
    branch_->forward(pass, x, parts.f, parts.branch);
    if (!shortcut_->is_view()) shortcut_->forward(pass, x, parts.s, parts.shortcut);
    add_rows(parts.f, shortcut_->is_view() ? x : parts.s, relu_, y, pass.batch.size * output_width());
  }

  void backward(const BackwardPass& pass, const float* x, const float* y, float* dy, float* dx,
                const LayerStorage& storage) const override {
    const Parts parts = split(storage);
    const std::size_t n = pass.batch.size * output_width();
    if (relu_) relu_backward(dy, y, n);
    std::copy_n(dy, n, parts.d);  // the branch may overwrite its own
    branch_->backward(pass, x, parts.f, dy, dx, parts.branch);
    if (shortcut_->is_view()) {
      if (dx != nullptr) add_scaled(dx, parts.d, 1.0F, n);
      return;
    }
    float* more = dx == nullptr ? nullptr : parts.dx;
    shortcut_->backward(pass, x, parts.s, parts.d, more, parts.shortcut);
    if (dx != nullptr) add_scaled(dx, more, 1.0F, pass.batch.size * input_width());
  }

 private:
  struct Parts {
    float* f;  // kept
    float* s;  // kept
    LayerStorage branch;
    LayerStorage shortcut;
    float* d;   // scratch
    float* dx;  // scratch
  };

  std::size_t output_floats(std::size_t max_batch) const {
    return aligned_floats(max_batch * output_width());
  }
  std::size_t input_floats(std::size_t max_batch) const { return aligned_floats(max_batch * input_width()); }

  Parts split(const LayerStorage& storage) const {
    const std::size_t floats = output_floats(storage.max_batch);
    auto* f = reinterpret_cast<float*>(storage.kept);  // NOLINT: kept memory is untyped
    std::uint8_t* branch = storage.kept + 2 * floats * sizeof(float);
    std::uint8_t* shortcut = branch + aligned_bytes(branch_->needs(storage.max_batch).kept_bytes);
    float* d = storage.scratch;
    float* dx = d + floats;
    float* rest = dx + input_floats(storage.max_batch);
    return {f, f + floats, {branch, rest, storage.max_batch}, {shortcut, rest, storage.max_batch}, d, dx};
  }

  std::unique_ptr<Chain> branch_;
  std::unique_ptr<Chain> shortcut_;
  bool relu_;
};

class OptionA final : public Layer {
 public:
  OptionA(const Shape& input, std::int64_t channels)
      : Layer("option_a", input, {channels, (input[1] + 1) / 2, (input[2] + 1) / 2}),
        height_(static_cast<std::size_t>(input[1])),
        width_(static_cast<std::size_t>(input[2])),
        before_((output_width() / plane() - input_width() / (height_ * width_)) / 2) {}

  void forward(const ForwardPass& pass, const float* x, float* y, const LayerStorage&) const override {
    std::fill_n(y, pass.batch.size * output_width(), 0.0F);
    for (std::size_t i = 0; i < pass.batch.size; ++i) {
      float* to = y + i * output_width() + before_ * plane();
      for_each_pixel(x + i * input_width(), [&](const float& pixel) { *to++ = pixel; });
    }
  }

  void backward(const BackwardPass& pass, const float*, const float*, float* dy, float* dx,
                const LayerStorage&) const override {
    if (dx == nullptr) return;
    std::fill_n(dx, pass.batch.size * input_width(), 0.0F);
    for (std::size_t i = 0; i < pass.batch.size; ++i) {
      const float* from = dy + i * output_width() + before_ * plane();
      for_each_pixel(dx + i * input_width(), [&](float& pixel) { pixel = *from++; });
    }
  }

 private:
  std::size_t plane() const { return ((height_ + 1) / 2) * ((width_ + 1) / 2); }

  // Every second pixel of every second row of one example, in order.
  template <class Pixel, class Visit>
  void for_each_pixel(Pixel* example, Visit visit) const {
    for (std::size_t c = 0; c < input_width() / (height_ * width_); ++c)
      for (std::size_t row = 0; row < height_; row += 2)
        for (std::size_t column = 0; column < width_; column += 2)
          visit(example[(c * height_ + row) * width_ + column]);
  }

  std::size_t height_;
  std::size_t width_;
  std::size_t before_;  // zero planes before the image's own
};

}  // namespace

LayerRecipe residual(std::string name, std::vector<LayerRecipe> branch, std::vector<LayerRecipe> shortcut,
                     bool relu) {
  return [name = std::move(name), branch = std::move(branch), shortcut = std::move(shortcut), relu](
             const Shape& input, ParameterPlan& plan) {
    auto main = std::make_unique<Chain>(name, input, branch, plan);
    auto side = std::make_unique<Chain>(name + ".shortcut", input, shortcut, plan);
    if (main->output_shape() != side->output_shape())
      throw user_error("residual block '{}' adds {} to {}; give it a shortcut of the same shape", name,
                       to_string(main->output_shape()), to_string(side->output_shape()));
    return std::make_unique<Residual>(name, std::move(main), std::move(side), relu);
  };
}

LayerRecipe option_a_shortcut(std::int64_t channels) {
  return [channels](const Shape& input, ParameterPlan&) {
    if (input.size() != 3 || channels < input[0])
      throw user_error(
          "the option-A shortcut to {} channels needs (channels, height, width) of at most as "
          "many, found {}",
          channels, to_string(input));
    return std::make_unique<OptionA>(input, channels);
  };
}

}  // namespace fedloom
