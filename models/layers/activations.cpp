// Legend: x, y and their gradients (B, width), elementwise: y = f(x), dx = dy f'(x).
#include "models/layers/activations.hpp"

#include <algorithm>

#include "models/elementwise.hpp"
#include "models/kernels/nonlinear.hpp"

namespace fedloom {

namespace {

/// A function with its slope; `of_output` says what the slope is computed from.
struct Function {
  const char* name;
  void (*forward)(const float* in, float* out, std::size_t n);
  void (*backward)(float* gradient, const float* value, std::size_t n);
  bool of_output;
};

class Activation final : public Layer {
 public:
  Activation(const Function& function, const Shape& shape)
      : Layer(function.name, shape, shape), function_(function) {}

  void forward(const ForwardPass& pass, const float* x, float* y, const LayerStorage&) const override {
    function_.forward(x, y, pass.batch.size * input_width());
  }

  void backward(const BackwardPass& pass, const float* x, const float* y, float* dy, float* dx,
                const LayerStorage&) const override {
    if (dx == nullptr) return;
    const std::size_t n = pass.batch.size * input_width();
    function_.backward(dy, function_.of_output ? y : x, n);
    std::copy_n(dy, n, dx);
  }

 private:
  Function function_;
};

LayerRecipe activation(const Function& function) {
  return [function](const Shape& input, ParameterPlan&) {
    return std::make_unique<Activation>(function, input);
  };
}

}  // namespace

LayerRecipe relu() { return activation({"relu", fedloom::relu, relu_backward, true}); }
LayerRecipe gelu() { return activation({"gelu", gelu_of, gelu_backward, false}); }
LayerRecipe tanh_layer() { return activation({"tanh", tanh_of, tanh_backward, true}); }
LayerRecipe sigmoid() { return activation({"sigmoid", sigmoid_of, sigmoid_backward, true}); }

}  // namespace fedloom
