// Legend: x (B, C, H, W), y (B, C, H / k, W / k): y = mean over the window; dx = dy / k^2 in every window.
#include "models/layers/average_pool.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "models/elementwise.hpp"

namespace fedloom {

namespace {

std::size_t extent(std::int64_t value) { return static_cast<std::size_t>(value); }

class AveragePool final : public Layer {
 public:
  AveragePool(const Shape& input, std::int64_t kernel)
      : Layer("average_pool", input, {input[0], input[1] / kernel, input[2] / kernel}),
        kernel_(extent(kernel)) {}

  void forward(const ForwardPass& pass, const float* x, float* y, const LayerStorage&) const override {
    const std::size_t H = extent(input_shape()[1]);
    const std::size_t W = extent(input_shape()[2]);
    const float share = 1.0F / static_cast<float>(kernel_ * kernel_);
    for (std::size_t plane = 0; plane < pass.batch.size * extent(input_shape()[0]); ++plane, x += H * W)
      for (std::size_t row = 0; row + kernel_ <= H; row += kernel_)
        for (std::size_t column = 0; column + kernel_ <= W; column += kernel_) {
          float total = 0.0F;
          for (std::size_t i = 0; i < kernel_; ++i)
            for (std::size_t j = 0; j < kernel_; ++j) total += x[(row + i) * W + column + j];
          *y++ = total * share;
        }
  }

  void backward(const BackwardPass& pass, const float*, const float*, float* dy, float* dx,
                const LayerStorage&) const override {
    if (dx == nullptr) return;
    const std::size_t H = extent(input_shape()[1]);
    const std::size_t W = extent(input_shape()[2]);
    const float share = 1.0F / static_cast<float>(kernel_ * kernel_);
    std::fill_n(dx, pass.batch.size * input_width(), 0.0F);
    for (std::size_t plane = 0; plane < pass.batch.size * extent(input_shape()[0]); ++plane, dx += H * W)
      for (std::size_t row = 0; row + kernel_ <= H; row += kernel_)
        for (std::size_t column = 0; column + kernel_ <= W; column += kernel_) {
          const float part = *dy++ * share;
          for (std::size_t i = 0; i < kernel_; ++i)
            for (std::size_t j = 0; j < kernel_; ++j) dx[(row + i) * W + column + j] = part;
        }
  }

 private:
  std::size_t kernel_;
};

class GlobalAveragePool final : public Layer {
 public:
  explicit GlobalAveragePool(const Shape& input)
      : Layer("global_average_pool", input, {input[0]}), plane_(extent(input[1] * input[2])) {}

  void forward(const ForwardPass& pass, const float* x, float* y, const LayerStorage&) const override {
    for (std::size_t i = 0; i < pass.batch.size * output_width(); ++i)
      y[i] = sum(x + i * plane_, plane_) / static_cast<float>(plane_);
  }

  void backward(const BackwardPass& pass, const float*, const float*, float* dy, float* dx,
                const LayerStorage&) const override {
    if (dx == nullptr) return;
    for (std::size_t i = 0; i < pass.batch.size * output_width(); ++i)
      std::fill_n(dx + i * plane_, plane_, dy[i] / static_cast<float>(plane_));
  }

 private:
  std::size_t plane_;
};

void require_planes(const Shape& input, std::int64_t smallest) {
  if (input.size() != 3 || input[1] < smallest || input[2] < smallest)
    throw user_error("average pooling needs (channels, height, width) of at least {} x {}, found {}",
                     smallest, smallest, to_string(input));
}

}  // namespace

LayerRecipe average_pool(std::int64_t kernel) {
  FEDLOOM_CHECK(kernel >= 1, "average pooling over {} pixels", kernel);
  return [kernel](const Shape& input, ParameterPlan&) {
    require_planes(input, kernel);
    return std::make_unique<AveragePool>(input, kernel);
  };
}

LayerRecipe global_average_pool() {
  return [](const Shape& input, ParameterPlan&) {
    require_planes(input, 1);
    return std::make_unique<GlobalAveragePool>(input);
  };
}

}  // namespace fedloom
