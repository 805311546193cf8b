// Legend: B examples of T positions and D features; x (B, T, D), y (B, D); d* is the gradient of *.
//   mean: y = sum over real t of x[t] / their number n, dx[t] = dy / n;   first: y = x[0], dx[0] = dy
#include "models/layers/sequence_pooling.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "models/elementwise.hpp"

namespace fedloom {

namespace {

class MeanPositions final : public Layer {
 public:
  MeanPositions(const Shape& input, std::size_t skip)
      : Layer("mean_positions", input, {input[1]}),
        skip_(skip),
        positions_(static_cast<std::size_t>(input[0])) {}

  void forward(const ForwardPass& pass, const float* x, float* y, const LayerStorage&) const override {
    const std::size_t D = output_width();
    for (std::size_t b = 0; b < pass.batch.size; ++b, x += input_width(), y += D) {
      std::fill_n(y, D, 0.0F);
      const float share = share_of(pass.batch, b);
      for (std::size_t t = skip_; t < positions_; ++t)
        if (is_real(pass.batch, b, t)) add_scaled(y, x + t * D, share, D);
    }
  }

  void backward(const BackwardPass& pass, const float*, const float*, float* dy, float* dx,
                const LayerStorage&) const override {
    if (dx == nullptr) return;
    const std::size_t D = output_width();
    std::fill_n(dx, pass.batch.size * input_width(), 0.0F);
    for (std::size_t b = 0; b < pass.batch.size; ++b, dx += input_width(), dy += D) {
      const float share = share_of(pass.batch, b);
      for (std::size_t t = skip_; t < positions_; ++t)
        if (is_real(pass.batch, b, t)) add_scaled(dx + t * D, dy, share, D);
    }
  }

 private:
  bool is_real(const Batch& batch, std::size_t b, std::size_t t) const {
    return batch.mask == nullptr || batch.mask[b * (positions_ - skip_) + t - skip_] != 0;
  }

  float share_of(const Batch& batch, std::size_t b) const {
    std::size_t real = 0;
    for (std::size_t t = skip_; t < positions_; ++t) real += is_real(batch, b, t) ? 1 : 0;
    return real == 0 ? 0.0F : 1.0F / static_cast<float>(real);
  }

  std::size_t skip_;
  std::size_t positions_;  // T
};

class FirstPosition final : public Layer {
 public:
  explicit FirstPosition(const Shape& input) : Layer("first_position", input, {input[1]}) {}

  bool is_view() const override { return input_shape()[0] == 1; }

  void forward(const ForwardPass& pass, const float* x, float* y, const LayerStorage&) const override {
    for (std::size_t b = 0; b < pass.batch.size; ++b)
      std::copy_n(x + b * input_width(), output_width(), y + b * output_width());
  }

  void backward(const BackwardPass& pass, const float*, const float*, float* dy, float* dx,
                const LayerStorage&) const override {
    if (dx == nullptr) return;
    std::fill_n(dx, pass.batch.size * input_width(), 0.0F);
    for (std::size_t b = 0; b < pass.batch.size; ++b)
      std::copy_n(dy + b * output_width(), output_width(), dx + b * input_width());
  }
};

void require_sequence(const Shape& input) {
  if (input.size() != 2)
    throw user_error("pooling of positions works on sequences (positions, features), found {}",
                     to_string(input));
}

}  // namespace

LayerRecipe mean_positions(std::size_t skip) {
  return [skip](const Shape& input, ParameterPlan&) {
    require_sequence(input);
    FEDLOOM_CHECK(skip < static_cast<std::size_t>(input[0]), "{} of {} positions skipped", skip, input[0]);
    return std::make_unique<MeanPositions>(input, skip);
  };
}

LayerRecipe first_position() {
  return [](const Shape& input, ParameterPlan&) {
    require_sequence(input);
    return std::make_unique<FirstPosition>(input);
  };
}

}  // namespace fedloom
