// Legend: B examples, I inputs, O outputs; x (B, I), y (B, O), W (O, I), b (O); d* is the gradient of *.
//   y = relu(x W^T + b);   dW = dy^T x;   db = sum over B of dy;   dx = dy W
// Per example |dW_i|^2 = |dy_i|^2 |x_i|^2, since dW_i is an outer product (Goodfellow, "Efficient per-example
// gradient computations", arXiv:1510.01799, 2015).
#include "models/layers/dense.hpp"

#include "core/error.hpp"
#include "models/elementwise.hpp"
#include "models/gemm.hpp"

namespace fedloom {

namespace {

class Dense final : public Layer {
 public:
  Dense(std::string name, const Shape& input, DenseOptions options, Layout::Builder& slices)
      : Layer(std::move(name), input, {options.outputs}),
        options_(options),
        weight_(slices.add(this->name() + ".weight",
                           {options.outputs, static_cast<std::int64_t>(input_width())})),
        bias_(slices.add(this->name() + ".bias", {options.outputs})) {}

  void initialize(std::span<float> parameters, Random& random) const override {
    const std::size_t I = input_width();
    const std::size_t O = output_width();
    fedloom::initialize(options_.initializer, {I, O}, parameters.subspan(weight_, I * O),
                        parameters.subspan(bias_, O), random);
  }

  double forward_flops() const override {
    return 2.0 * static_cast<double>(input_width()) * static_cast<double>(output_width());
  }

  void forward(const ForwardPass& pass, const float* x, float* y, const LayerStorage&) const override {
    const std::size_t B = pass.batch.size;
    const std::size_t I = input_width();
    const std::size_t O = output_width();
    if (pass.options.observer != nullptr) pass.options.observer->layer_input(name(), {x, B * I}, B, I);
    gemm({B, O, I, plain(x, I), transposed(pass.parameters + weight_, I), y, O});
    if (options_.relu)
      add_bias_relu(y, pass.parameters + bias_, B, O);
    else
      add_bias(y, pass.parameters + bias_, B, O);
  }

  void backward(const BackwardPass& pass, const float* x, const float* y, float* dy, float* dx,
                const LayerStorage&) const override {
    const std::size_t B = pass.batch.size;
    const std::size_t I = input_width();
    const std::size_t O = output_width();
    if (options_.relu) relu_backward(dy, y, B * O);
    if (pass.gradient != nullptr) {
      gemm({O, I, B, transposed(dy, O), plain(x, I), pass.gradient + weight_, I});
      column_sums(dy, B, O, pass.gradient + bias_);
    }
    if (pass.square_norms != nullptr)
      for (std::size_t i = 0; i < B; ++i)
        pass.square_norms[i] += square_norm(dy + i * O, O) * (square_norm(x + i * I, I) + 1.0);
    if (dx != nullptr) gemm({B, I, O, plain(dy, O), plain(pass.parameters + weight_, I), dx, I});
  }

 private:
  DenseOptions options_;
  std::size_t weight_;  // offsets of the slices
  std::size_t bias_;
};

}  // namespace

LayerRecipe dense(std::string name, DenseOptions options) {
  FEDLOOM_CHECK(options.outputs >= 1, "dense layer '{}' with {} outputs", name, options.outputs);
  return [name = std::move(name), options](const Shape& input, Layout::Builder& slices) {
    return std::make_unique<Dense>(name, input, options, slices);
  };
}

}  // namespace fedloom
