// Layers without parameters.
#include "models/layers/simple.hpp"

#include "core/error.hpp"
#include "models/layers/pooling.hpp"

namespace fedloom {

namespace {

class MaxPool final : public Layer {
 public:
  explicit MaxPool(const Shape& input)
      : Layer("max_pool2x2", input, {input[0], input[1] / 2, input[2] / 2}),
        channels_(static_cast<std::size_t>(input[0])),
        height_(static_cast<std::size_t>(input[1])),
        width_(static_cast<std::size_t>(input[2])) {}

  LayerNeeds needs(std::size_t max_batch) const override {
    return {.kept_bytes = max_batch * output_width()};
  }

  void forward(const ForwardPass& pass, const float* input, float* output,
               const LayerStorage& storage) const override {
    const PoolPlanes planes{pass.batch.size * channels_, height_, width_, height_ * width_};
    pool2x2(planes, input, nullptr, false, output, storage.kept);
  }

  void backward(const BackwardPass& pass, const float*, const float*, float* output_gradient,
                float* input_gradient, const LayerStorage& storage) const override {
    if (input_gradient == nullptr) return;
    const PoolPlanes planes{pass.batch.size * channels_, height_, width_, height_ * width_};
    unpool2x2(planes, output_gradient, storage.kept, input_gradient);
  }

 private:
  std::size_t channels_;
  std::size_t height_;
  std::size_t width_;
};

class Flatten final : public Layer {
 public:
  explicit Flatten(const Shape& input)
      : Layer("flatten", input, {static_cast<std::int64_t>(element_count(input))}) {}

  bool is_view() const override { return true; }
  void forward(const ForwardPass&, const float*, float*, const LayerStorage&) const override {}
  void backward(const BackwardPass&, const float*, const float*, float*, float*,
                const LayerStorage&) const override {}
};

}  // namespace

LayerRecipe max_pool2x2() {
  return [](const Shape& input, ParameterPlan&) {
    if (input.size() != 3 || input[1] < 2 || input[2] < 2)
      throw user_error("2x2 max-pooling needs (channels, height, width) of at least 2 x 2, found {}",
                       to_string(input));
    return std::make_unique<MaxPool>(input);
  };
}

LayerRecipe flatten() {
  return [](const Shape& input, ParameterPlan&) { return std::make_unique<Flatten>(input); };
}

}  // namespace fedloom
