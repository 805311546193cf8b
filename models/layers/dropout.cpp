// Legend: x, y (B, width), m the kept mask of bytes, s = 1 / (1 - p): y = s m x, dx = s m dy.
#include "models/layers/dropout.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/simd.hpp"
#include "models/layers/chain.hpp"

namespace fedloom {

namespace {

FEDLOOM_SIMD_CLONES
void apply_mask(const float* in, const std::uint8_t* mask, float scale, float* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) out[i] = in[i] * (mask[i] != 0 ? scale : 0.0F);
}

class Dropout final : public Layer {
 public:
  Dropout(double rate, const Shape& shape)
      : Layer("dropout", shape, shape),
        scale_(static_cast<float>(1.0 / (1.0 - rate))),
        // Half of a 32-bit draw decides, so that the rate is rounded to a 65,536th.
        threshold_(static_cast<std::uint32_t>(std::lround(rate * 65536.0))) {}

  LayerNeeds needs(std::size_t max_batch) const override { return {.kept_bytes = max_batch * input_width()}; }

  void forward(const ForwardPass& pass, const float* x, float* y,
               const LayerStorage& storage) const override {
    const std::size_t n = pass.batch.size * input_width();
    if (!pass.options.training) {
      std::copy_n(x, n, y);
      return;
    }
    FEDLOOM_CHECK(pass.options.random != nullptr, "dropout needs a random sequence");
    Random& random = *pass.options.random;
    std::uint8_t* mask = storage.kept;
    // Two values from each draw of 32 bits.
    for (std::size_t i = 0; i < n; i += 2) {
      const std::uint32_t draw = random.next32();
      mask[i] = (draw & 0xffffU) >= threshold_ ? 1 : 0;
      if (i + 1 < n) mask[i + 1] = (draw >> 16U) >= threshold_ ? 1 : 0;
    }
    apply_mask(x, mask, scale_, y, n);
  }

  void backward(const BackwardPass& pass, const float*, const float*, float* dy, float* dx,
                const LayerStorage& storage) const override {
    if (dx == nullptr) return;
    const std::size_t n = pass.batch.size * input_width();
    if (pass.training)
      apply_mask(dy, storage.kept, scale_, dx, n);
    else
      std::copy_n(dy, n, dx);
  }

 private:
  float scale_;
  std::uint32_t threshold_;
};

}  // namespace

LayerRecipe dropout(double rate) {
  FEDLOOM_CHECK(rate >= 0.0 && rate < 1.0, "a dropout rate of {}", rate);
  if (rate == 0.0)
    return [](const Shape& input, ParameterPlan& plan) { return chain("dropout", {})(input, plan); };
  return [rate](const Shape& input, ParameterPlan&) { return std::make_unique<Dropout>(rate, input); };
}

}  // namespace fedloom
