// Legend: x (B, C, H, W), y (B, C, h, w), a (B, C, h, w) bytes: the place in its window, row by row, where y
// was found: y = x at a; dx = sum of dy over the windows that chose the pixel.
#include "models/layers/max_pool.hpp"

#include <algorithm>
#include <limits>

#include "core/simd.hpp"
#include "models/layers/simple.hpp"

namespace fedloom {

namespace {

// Window by window within a row is slow; place by place the inner loop runs along the row.
FEDLOOM_SIMD_CLONES
void take_larger(const float* x, std::size_t stride, std::uint8_t place, float* y, std::uint8_t* choice,
                 std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const float value = x[i * stride];
    const bool larger = !(value <= y[i]) && y[i] == y[i];  // NOLINT: a NaN is larger, and stays
    y[i] = larger ? value : y[i];
    choice[i] = larger ? place : choice[i];
  }
}

class MaxPool final : public Layer {
 public:
  MaxPool(const Shape& input, const PoolForm& form)
      : Layer("max_pool", input, form.output(input)), form_(form) {}

  LayerNeeds needs(std::size_t max_batch) const override {
    return {.kept_bytes = max_batch * output_width()};
  }

  void forward(const ForwardPass& pass, const float* x, float* y,
               const LayerStorage& storage) const override {
    const auto& [rows, columns] = form_;
    std::uint8_t* choice = storage.kept;
    std::fill_n(y, pass.batch.size * output_width(), -std::numeric_limits<float>::infinity());
    std::fill_n(choice, pass.batch.size * output_width(), std::uint8_t{0});
    for (std::size_t plane = 0; plane < planes(pass.batch.size); ++plane, x += rows.extent * columns.extent)
      for (std::size_t row = 0; row < rows.windows; ++row, y += columns.windows, choice += columns.windows)
        for (std::size_t i = 0; i < rows.kernel; ++i) {
          if (row < rows.first(i) || row >= rows.last(i)) continue;
          const float* line = x + rows.pixel(row, i) * columns.extent;
          for (std::size_t j = 0; j < columns.kernel; ++j) {
            const std::size_t first = columns.first(j);
            const std::size_t last = columns.last(j);
            if (first >= last) continue;
            take_larger(line + columns.pixel(first, j), columns.stride,
                        static_cast<std::uint8_t>(i * columns.kernel + j), y + first, choice + first,
                        last - first);
          }
        }
  }

  void backward(const BackwardPass& pass, const float*, const float*, float* dy, float* dx,
                const LayerStorage& storage) const override {
    if (dx == nullptr) return;
    const auto& [rows, columns] = form_;
    const std::uint8_t* choice = storage.kept;
    std::fill_n(dx, pass.batch.size * input_width(), 0.0F);
    for (std::size_t plane = 0; plane < planes(pass.batch.size); ++plane, dx += rows.extent * columns.extent)
      for (std::size_t row = 0; row < rows.windows; ++row)
        for (std::size_t column = 0; column < columns.windows; ++column, ++dy, ++choice) {
          // A window of nothing but minus infinity keeps place 0, which may lie in the padding.
          const std::size_t y = row * rows.stride + *choice / columns.kernel;
          const std::size_t x = column * columns.stride + *choice % columns.kernel;
          if (y < rows.padding || x < columns.padding) continue;
          dx[(y - rows.padding) * columns.extent + x - columns.padding] += *dy;
        }
  }

 private:
  std::size_t planes(std::size_t examples) const {
    return examples * static_cast<std::size_t>(input_shape()[0]);
  }

  PoolForm form_;
};

}  // namespace

LayerRecipe max_pool(PoolOptions options) {
  if (options.kernel == 2 && (options.stride == 0 || options.stride == 2) && options.padding == 0)
    return max_pool2x2();
  return [options](const Shape& input, ParameterPlan&) {
    return std::make_unique<MaxPool>(input, pool_form("max-pooling", input, options));
  };
}

}  // namespace fedloom
