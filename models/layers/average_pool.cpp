// Legend: x (B, C, H, W), y (B, C, h, w), k the side of a window: y = sum over the window / k^2;
// dx = sum of dy / k^2 over the windows that hold the pixel.
#include "models/layers/average_pool.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/simd.hpp"
#include "models/elementwise.hpp"

namespace fedloom {

namespace {

FEDLOOM_SIMD_CLONES
void gather(const float* x, std::size_t stride, float share, float* y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) y[i] += share * x[i * stride];
}

FEDLOOM_SIMD_CLONES
void spread(const float* dy, std::size_t stride, float share, float* dx, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) dx[i * stride] += share * dy[i];
}

class AveragePool final : public Layer {
 public:
  AveragePool(const Shape& input, const PoolForm& form)
      : Layer("average_pool", input, form.output(input)),
        form_(form),
        share_(1.0F / static_cast<float>(form.rows.kernel * form.columns.kernel)) {}

  void forward(const ForwardPass& pass, const float* x, float* y, const LayerStorage&) const override {
    std::fill_n(y, pass.batch.size * output_width(), 0.0F);
    for_each_run(pass.batch.size, [&](std::size_t in, std::size_t out, std::size_t n) {
      gather(x + in, form_.columns.stride, share_, y + out, n);
    });
  }

  void backward(const BackwardPass& pass, const float*, const float*, float* dy, float* dx,
                const LayerStorage&) const override {
    if (dx == nullptr) return;
    std::fill_n(dx, pass.batch.size * input_width(), 0.0F);
    for_each_run(pass.batch.size, [&](std::size_t in, std::size_t out, std::size_t n) {
      spread(dy + out, form_.columns.stride, share_, dx + in, n);
    });
  }

 private:
  // For each row of windows and each place of the kernel: where its first pixel lies, where the first
  // window's value lies, and how many windows of the row have a pixel there.
  template <class Visit>
  void for_each_run(std::size_t examples, Visit visit) const {
    const auto& [rows, columns] = form_;
    const std::size_t planes = examples * static_cast<std::size_t>(input_shape()[0]);
    for (std::size_t plane = 0; plane < planes; ++plane)
      for (std::size_t row = 0; row < rows.windows; ++row)
        for (std::size_t i = 0; i < rows.kernel; ++i) {
          if (row < rows.first(i) || row >= rows.last(i)) continue;
          const std::size_t line = (plane * rows.extent + rows.pixel(row, i)) * columns.extent;
          const std::size_t out = (plane * rows.windows + row) * columns.windows;
          for (std::size_t j = 0; j < columns.kernel; ++j) {
            const std::size_t first = columns.first(j);
            const std::size_t last = columns.last(j);
            if (first < last) visit(line + columns.pixel(first, j), out + first, last - first);
          }
        }
  }

  PoolForm form_;
  float share_;
};

class GlobalAveragePool final : public Layer {
 public:
  explicit GlobalAveragePool(const Shape& input)
      : Layer("global_average_pool", input, {input[0]}),
        plane_(static_cast<std::size_t>(input[1] * input[2])) {}

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

}  // namespace

LayerRecipe average_pool(PoolOptions options) {
  return [options](const Shape& input, ParameterPlan&) {
    return std::make_unique<AveragePool>(input, pool_form("average pooling", input, options));
  };
}

LayerRecipe global_average_pool() {
  return [](const Shape& input, ParameterPlan&) {
    if (input.size() != 3)
      throw user_error("global average pooling needs (channels, height, width), found {}", to_string(input));
    return std::make_unique<GlobalAveragePool>(input);
  };
}

}  // namespace fedloom
