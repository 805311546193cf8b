// Legend: B examples of T positions (1 unless per_position), R = B T rows, I inputs, O outputs; x (R, I),
// y (R, O), W (O, I), b (O); d* is the gradient of *.
//   y = relu(x W^T + b);   dW = dy^T x;   db = sum over R of dy;   dx = dy W
// Per example dW_i is the sum of T outer products; for T = 1 |dW_i|^2 = |dy_i|^2 |x_i|^2 (Goodfellow,
// "Efficient per-example gradient computations", arXiv:1510.01799, 2015).
#include "models/layers/dense.hpp"

#include <algorithm>
#include <optional>

#include "core/error.hpp"
#include "models/adapters/lora.hpp"
#include "models/elementwise.hpp"
#include "models/gemm.hpp"
#include "models/kernels/dense_step.hpp"
#include "models/layers/outer_norm.hpp"

namespace fedloom {

namespace {

Shape output_of(const std::string& name, const Shape& input, const DenseOptions& options) {
  if (!options.per_position) return {options.outputs};
  if (input.size() != 2)
    throw user_error("dense layer '{}' works on sequences (positions, features), found {}", name,
                     to_string(input));
  return {input[0], options.outputs};
}

class Dense final : public Layer {
 public:
  Dense(const std::string& name, const Shape& input, DenseOptions options, ParameterPlan& plan)
      : Layer(name, input, output_of(name, input, options)),
        options_(options),
        positions_(options.per_position ? static_cast<std::size_t>(input[0]) : 1),
        inputs_(input_width() / positions_),
        outputs_(output_width() / positions_),
        weight_(plan.add(name + ".weight", {options.outputs, static_cast<std::int64_t>(inputs_)})) {
    if (options_.bias) bias_ = plan.add(name + ".bias", {options.outputs});
    if (plan.adaptation().targets_layer(Adaptation::Method::lora, name))
      lora_.emplace(name, inputs_, outputs_, plan);
  }

  LayerNeeds needs(std::size_t max_batch) const override {
    LayerNeeds needs{.kept_bytes = 0, .scratch_floats = outer_norm_scratch(form())};
    if (!lora_) return needs;
    const LayerNeeds adapter = lora_->needs(max_batch * positions_, positions_);
    return {adapter.kept_bytes, std::max(needs.scratch_floats, adapter.scratch_floats)};
  }

  void initialize(std::span<float> parameters, Random& random) const override {
    fedloom::initialize(options_.initializer, {inputs_, outputs_},
                        parameters.subspan(weight_.offset, weight_.size),
                        parameters.subspan(bias_.offset, bias_.size), random);
    if (lora_) lora_->initialize(parameters, random);
  }

  double forward_flops() const override {
    const double adapter = lora_ ? static_cast<double>(positions_) * lora_->forward_flops() : 0.0;
    return 2.0 * static_cast<double>(input_width()) * static_cast<double>(outputs_) + adapter;
  }

  // The fused step gives the bits of the two products where gemm would take its kernels.
  bool steps(std::size_t batch) const override {
    return weight_.trained && (!options_.bias || bias_.trained) && !lora_ &&
           batch * positions_ <= kShortBatch;
  }

  void forward(const ForwardPass& pass, const float* x, float* y,
               const LayerStorage& storage) const override {
    const std::size_t R = pass.batch.size * positions_;
    const std::size_t I = inputs_;
    const std::size_t O = outputs_;
    if (pass.options.observer != nullptr) pass.options.observer->layer_input(name(), {x, R * I}, R, I);
    gemm({R, O, I, plain(x, I), transposed(pass.parameters + weight_.offset, I), y, O});
    if (lora_) lora_->forward(pass, R, {x, I}, y, O, storage);
    if (options_.bias && options_.relu)
      add_bias_relu(y, pass.parameters + bias_.offset, R, O);
    else if (options_.bias)
      add_bias(y, pass.parameters + bias_.offset, R, O);
    else if (options_.relu)
      relu(y, y, R * O);
  }

  void backward(const BackwardPass& pass, const float* x, const float* y, float* dy, float* dx,
                const LayerStorage& storage) const override {
    const std::size_t R = pass.batch.size * positions_;
    const std::size_t I = inputs_;
    const std::size_t O = outputs_;
    if (options_.relu) relu_backward(dy, y, R * O);
    if (pass.descent != nullptr) {
      step(pass, R, x, dy, dx);
      return;
    }
    if (pass.gradient != nullptr && weight_.trained)
      gemm({O, I, R, transposed(dy, O), plain(x, I), pass.gradient + weight_.offset, I});
    if (pass.gradient != nullptr && options_.bias && bias_.trained)
      column_sums(dy, R, O, pass.gradient + bias_.offset);
    if (pass.square_norms != nullptr)
      for (std::size_t i = 0; i < pass.batch.size; ++i)
        pass.square_norms[i] +=
            example_square_norm(x + i * positions_ * I, dy + i * positions_ * O, storage.scratch);
    if (dx != nullptr) gemm({R, I, O, plain(dy, O), plain(pass.parameters + weight_.offset, I), dx, I});
    if (lora_) lora_->backward(pass, positions_, {x, I}, {dy, O}, dx, I, storage);
  }

 private:
  void step(const BackwardPass& pass, std::size_t rows, const float* x, const float* dy, float* dx) const {
    float* w = pass.descent->parameters;
    const float rate = pass.descent->rate;
    dense_step({rows, inputs_, outputs_, x, dy, w + weight_.offset, dx, rate});
    if (!options_.bias) return;
    float* db = pass.gradient + bias_.offset;
    column_sums(dy, rows, outputs_, db);
    add_scaled(w + bias_.offset, db, -rate, outputs_);
  }

  OuterSum form() const { return {positions_, inputs_, outputs_}; }

  double example_square_norm(const float* x, const float* dy, float* scratch) const {
    double total = 0.0;
    if (weight_.trained) total += outer_square_norm(form(), x, inputs_, dy, outputs_, scratch);
    if (options_.bias && bias_.trained) total += column_sums_square_norm(dy, positions_, outputs_);
    return total;
  }

  DenseOptions options_;
  std::size_t positions_;  // T
  std::size_t inputs_;     // I
  std::size_t outputs_;    // O
  Held weight_;
  Held bias_;
  std::optional<LowRank> lora_;
};

}  // namespace

LayerRecipe dense(std::string name, DenseOptions options) {
  FEDLOOM_CHECK(options.outputs >= 1, "dense layer '{}' with {} outputs", name, options.outputs);
  return [name = std::move(name), options](const Shape& input, ParameterPlan& plan) {
    return std::make_unique<Dense>(name, input, options, plan);
  };
}

}  // namespace fedloom
