// Legend: B examples of T positions and D features; x (B, T, D), y (B, D); d* is the gradient of *.
//   mean: y = sum over real t of x[t] / their number n, dx[t] = dy / n;   first: y = x[0], dx[0] = dy
//   chosen: y[k] = x[place[k]], dx[t] = sum of dy[k] where place[k] = t
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

class ChosenPositions final : public Layer {
 public:
  ChosenPositions(const Shape& input, std::int64_t count, std::size_t skip)
      : Layer("chosen_positions", input, {count, input[1]}), skip_(skip) {}

  void forward(const ForwardPass& pass, const float* x, float* y, const LayerStorage&) const override {
    const std::size_t D = features();
    each(pass.batch, [&](std::size_t from, std::size_t to) { std::copy_n(x + from * D, D, y + to * D); });
  }

  void backward(const BackwardPass& pass, const float*, const float*, float* dy, float* dx,
                const LayerStorage&) const override {
    if (dx == nullptr) return;
    const std::size_t D = features();
    std::fill_n(dx, pass.batch.size * input_width(), 0.0F);
    each(pass.batch,
         [&](std::size_t from, std::size_t to) { add_scaled(dx + from * D, dy + to * D, 1.0F, D); });
  }

 private:
  std::size_t features() const { return static_cast<std::size_t>(input_shape()[1]); }

  // Rows of x and y that belong together.
  template <class Visit>
  void each(const Batch& batch, Visit visit) const {
    const auto positions = static_cast<std::size_t>(input_shape()[0]);
    const auto count = static_cast<std::size_t>(output_shape()[0]);
    FEDLOOM_CHECK(batch.places != nullptr && batch.targets_each == count,
                  "a batch of {} targets an example where {} are predicted", batch.targets_each, count);
    for (std::size_t i = 0; i < batch.size * count; ++i) {
      const auto place = static_cast<std::size_t>(batch.places[i]) + skip_;
      FEDLOOM_CHECK(batch.places[i] >= 0 && place < positions, "place {} of {} positions", batch.places[i],
                    positions - skip_);
      visit(i / count * positions + place, i);
    }
  }

  std::size_t skip_;
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

LayerRecipe chosen_positions(std::int64_t count, std::size_t skip) {
  FEDLOOM_CHECK(count >= 1, "{} chosen positions", count);
  return [count, skip](const Shape& input, ParameterPlan&) {
    require_sequence(input);
    return std::make_unique<ChosenPositions>(input, count, skip);
  };
}

LayerRecipe first_position() {
  return [](const Shape& input, ParameterPlan&) {
    require_sequence(input);
    return std::make_unique<FirstPosition>(input);
  };
}

}  // namespace fedloom
