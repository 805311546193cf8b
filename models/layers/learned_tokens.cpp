// Legend: B examples of T positions and D features, K learned tokens or T learned offsets p; d* is the
// gradient of *.
//   positions: y = x + p, dp = sum over B of dy
//   tokens:    y = (x[:before], p, x[before:]), dp = sum over B of their rows of dy
#include <algorithm>

#include "core/error.hpp"
#include "models/elementwise.hpp"
#include "models/initializer.hpp"
#include "models/layers/embedding.hpp"

namespace fedloom {

namespace {

// dp from the rows of dy that belong to p, which start each example's `width` floats.
void learn(const BackwardPass& pass, const Held& held, const float* dy, std::size_t width) {
  if (!held.trained) return;
  if (pass.gradient != nullptr) {
    std::fill_n(pass.gradient + held.offset, held.size, 0.0F);
    for (std::size_t b = 0; b < pass.batch.size; ++b)
      add_scaled(pass.gradient + held.offset, dy + b * width, 1.0F, held.size);
  }
  if (pass.square_norms != nullptr)
    for (std::size_t b = 0; b < pass.batch.size; ++b)
      pass.square_norms[b] += square_norm(dy + b * width, held.size);
}

class PositionalEmbedding final : public Layer {
 public:
  PositionalEmbedding(const std::string& name, const Shape& shape, ParameterPlan& plan)
      : Layer(name, shape, shape), held_(plan.add(name, {1, shape[0], shape[1]})) {}

  void initialize(std::span<float> parameters, Random& random) const override {
    truncated_normal(parameters.subspan(held_.offset, held_.size), random);
  }

  void forward(const ForwardPass& pass, const float* x, float* y, const LayerStorage&) const override {
    const std::size_t width = input_width();
    for (std::size_t b = 0; b < pass.batch.size; ++b) {
      std::copy_n(x + b * width, width, y + b * width);
      add_scaled(y + b * width, pass.parameters + held_.offset, 1.0F, width);
    }
  }

  void backward(const BackwardPass& pass, const float*, const float*, float* dy, float* dx,
                const LayerStorage&) const override {
    learn(pass, held_, dy, input_width());
    if (dx != nullptr) std::copy_n(dy, pass.batch.size * input_width(), dx);
  }

 private:
  Held held_;
};

class Tokens final : public Layer {
 public:
  Tokens(const std::string& name, const Shape& input, const LearnedTokens& options, ParameterPlan& plan)
      : Layer(name, input, {input[0] + options.count, input[1]}),
        before_(options.before * static_cast<std::size_t>(input[1])) {
    const Shape shape = options.shape.empty() ? Shape{options.count, input[1]} : options.shape;
    held_ = options.adapter ? plan.add_adapter(name, shape) : plan.add(name, shape);
    FEDLOOM_CHECK(held_.size == output_width() - input_width(),
                  "'{}' of shape {} for {} tokens of {} features", name, to_string(shape), options.count,
                  input[1]);
    if (options.adapter) plan.note_adapter();
  }

  void initialize(std::span<float> parameters, Random& random) const override {
    truncated_normal(parameters.subspan(held_.offset, held_.size), random);
  }

  void forward(const ForwardPass& pass, const float* x, float* y, const LayerStorage&) const override {
    for (std::size_t b = 0; b < pass.batch.size; ++b, x += input_width(), y += output_width()) {
      std::copy_n(x, before_, y);
      std::copy_n(pass.parameters + held_.offset, held_.size, y + before_);
      std::copy_n(x + before_, input_width() - before_, y + before_ + held_.size);
    }
  }

  void backward(const BackwardPass& pass, const float*, const float*, float* dy, float* dx,
                const LayerStorage&) const override {
    learn(pass, held_, dy + before_, output_width());
    for (std::size_t b = 0; dx != nullptr && b < pass.batch.size;
         ++b, dx += input_width(), dy += output_width()) {
      std::copy_n(dy, before_, dx);
      std::copy_n(dy + before_ + held_.size, input_width() - before_, dx + before_);
    }
  }

 private:
  std::size_t before_;  // floats
  Held held_;
};

void require_sequence(const std::string& name, const Shape& input) {
  if (input.size() != 2)
    throw user_error("'{}' works on sequences (positions, features), found {}", name, to_string(input));
}

}  // namespace

LayerRecipe positional_embedding(std::string name) {
  return [name = std::move(name)](const Shape& input, ParameterPlan& plan) {
    require_sequence(name, input);
    return std::make_unique<PositionalEmbedding>(name, input, plan);
  };
}

LayerRecipe learned_tokens(std::string name, LearnedTokens options) {
  FEDLOOM_CHECK(options.count >= 1, "'{}' with {} tokens", name, options.count);
  return [name = std::move(name), options = std::move(options)](const Shape& input, ParameterPlan& plan) {
    require_sequence(name, input);
    return std::make_unique<Tokens>(name, input, options, plan);
  };
}

}  // namespace fedloom
