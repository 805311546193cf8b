// Legend: B examples of T steps, I inputs, H hidden units, L levels; inside everything lies step by step: x
// (T, B, I), h, c (T, B, H), gates G (T, B, 4 H) in the order i, f, g, o; W (4 H, I), U (4 H, H), biases u, v
// (4 H); d* is the gradient of *, of G before the activations.
//   G[t] = x[t] W^T + h[t-1] U^T + u + v;   (h[t], c[t]) = cell(G[t], c[t-1])
//   dh[t] += dG[t+1] U;   dW = dG^T x;   dU = sum over t of dG[t]^T h[t-1];   du = dv = sum of dG;   dx = dG
//   W
// Only the products with U wait for the step before; x W^T, dW, dU and dx are one product each over all
// steps. A level's h is the x of the next. Backward leaves what forward kept as it is, since ghost clipping
// runs it twice.
#include "models/layers/lstm.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "core/error.hpp"
#include "models/elementwise.hpp"
#include "models/gemm.hpp"
#include "models/kernels/lstm_cell.hpp"
#include "models/layers/memory_cursor.hpp"
#include "models/layers/outer_norm.hpp"

namespace fedloom {

namespace {

// Rows of dG are a power of two floats apart for the usual H: read by columns, as dW and dU do, all values of
// a column would fall into the same few sets of the cache. A line more between them made these products 2.3
// times faster at H = 256.
constexpr std::size_t kPadding = 16;

struct Level {
  Level(const std::string& name, std::int64_t k, std::int64_t width, std::int64_t hidden, ParameterPlan& plan)
      : inputs(static_cast<std::size_t>(width)),
        weight_ih(plan.add(fmt::format("{}.weight_ih_l{}", name, k), {4 * hidden, width})),
        weight_hh(plan.add(fmt::format("{}.weight_hh_l{}", name, k), {4 * hidden, hidden})),
        bias_ih(plan.add(fmt::format("{}.bias_ih_l{}", name, k), {4 * hidden})),
        bias_hh(plan.add(fmt::format("{}.bias_hh_l{}", name, k), {4 * hidden})) {}

  bool trains() const { return weight_ih.trained || weight_hh.trained || bias_ih.trained || bias_hh.trained; }

  std::size_t inputs;
  Held weight_ih;
  Held weight_hh;
  Held bias_ih;
  Held bias_hh;
};

// rows (B, T, width) to (T, B, width), or the other way with the first two numbers exchanged.
void turn(std::size_t B, std::size_t T, std::size_t width, const float* from, float* to) {
  for (std::size_t b = 0; b < B; ++b)
    for (std::size_t t = 0; t < T; ++t)
      std::copy_n(from + (b * T + t) * width, width, to + (t * B + b) * width);
}

void sum_rows(const float* rows, std::size_t stride, std::size_t count, std::size_t width, float* sums) {
  std::fill_n(sums, width, 0.0F);
  for (std::size_t i = 0; i < count; ++i) add_scaled(sums, rows + i * stride, 1.0F, width);
}

class Lstm final : public Layer {
 public:
  Lstm(const std::string& name, const Shape& input, const LstmOptions& options, ParameterPlan& plan)
      : Layer(name, input, options.last_only ? Shape{options.hidden} : Shape{input[0], options.hidden}),
        last_only_(options.last_only),
        steps_(static_cast<std::size_t>(input[0])),
        inputs_(static_cast<std::size_t>(input[1])),
        hidden_(static_cast<std::size_t>(options.hidden)),
        d_stride_(aligned_floats(4 * hidden_) + kPadding) {
    for (std::int64_t k = 0; k < options.levels; ++k) {
      levels_.emplace_back(name, k, k == 0 ? input[1] : options.hidden, options.hidden, plan);
      if (levels_.back().trains()) first_trained_ = std::min(first_trained_, levels_.size() - 1);
    }
  }

  LayerNeeds needs(std::size_t max_batch) const override {
    MemoryCursor kept;
    MemoryCursor scratch;
    (void)cut(max_batch, kept, scratch);
    return {.kept_bytes = kept.bytes(), .scratch_floats = scratch.floats()};
  }

  void initialize(std::span<float> parameters, Random& random) const override {
    const double most = 1.0 / std::sqrt(static_cast<double>(hidden_));
    for (const Level& level : levels_)
      for (const Held& slice : {level.weight_ih, level.weight_hh, level.bias_ih, level.bias_hh})
        for (float& value : parameters.subspan(slice.offset, slice.size))
          value = static_cast<float>(random.uniform(-most, most));
  }

  double forward_flops() const override {
    double weights = 0.0;
    for (const Level& level : levels_)
      weights += static_cast<double>(level.weight_ih.size + level.weight_hh.size);
    return 2.0 * static_cast<double>(steps_) * weights;
  }

  void forward(const ForwardPass& pass, const float* x, float* y,
               const LayerStorage& storage) const override {
    const std::size_t B = pass.batch.size;
    const Memory memory = memory_of(storage);
    turn(B, steps_, inputs_, x, memory.x);
    for (std::size_t k = 0; k < levels_.size(); ++k) forward_level(pass, k, memory);
    const float* top = states(levels_.size() - 1, memory);
    if (last_only_)
      std::copy_n(top + (steps_ - 1) * B * hidden_, B * hidden_, y);
    else
      turn(steps_, B, hidden_, top, y);
  }

  void backward(const BackwardPass& pass, const float*, const float*, float* dy, float* dx,
                const LayerStorage& storage) const override {
    const std::size_t B = pass.batch.size;
    const Memory memory = memory_of(storage);
    if (last_only_) {
      const std::size_t before = (steps_ - 1) * B * hidden_;
      std::fill_n(memory.d_states, before, 0.0F);
      std::copy_n(dy, B * hidden_, memory.d_states + before);
    } else {
      turn(B, steps_, hidden_, dy, memory.d_states);
    }
    for (std::size_t k = levels_.size(); k-- > 0;) {
      if (dx == nullptr && k < first_trained_) return;
      backward_steps(pass, k, memory);
      backward_weights(pass, k, memory);
      if (dx == nullptr && k <= first_trained_) return;
      const Level& level = levels_[k];
      gemm({steps_ * B, level.inputs, 4 * hidden_, plain(memory.d_gates, d_stride_),
            plain(pass.parameters + level.weight_ih.offset, level.inputs), memory.d_states, level.inputs});
    }
    turn(steps_, B, inputs_, memory.d_states, dx);
  }

 private:
  struct Memory {
    // Kept.
    float* x;           // (T, B, I)
    float* levels;      // of each level: gates (T, B, 4 H), cells and states (T, B, H)
    std::size_t block;  // floats of (T, B, H) for the largest batch
    // Scratch.
    float* d_gates;   // (T, B, 4 H), d_stride_ floats from row to row
    float* d_states;  // (T, B, H), then what goes to the level below
    float* d_cell;    // (B, H)
    float* own;
  };

  Memory cut(std::size_t max_batch, MemoryCursor& kept, MemoryCursor& scratch) const {
    const std::size_t rows = steps_ * max_batch;
    const std::size_t H = hidden_;
    Memory memory{};
    memory.block = aligned_floats(rows * H);
    memory.x = kept.take<float>(rows * inputs_);
    memory.levels = kept.take<float>(levels_.size() * 6 * memory.block);
    memory.d_gates = scratch.take<float>(rows * d_stride_);
    memory.d_states = scratch.take<float>(rows * std::max(H, inputs_));
    memory.d_cell = scratch.take<float>(max_batch * H);
    memory.own = scratch.take<float>(
        std::max({4 * H, outer_norm_scratch({steps_, inputs_, 4 * H}), outer_norm_scratch({steps_, H, 4 * H}),
                  outer_norm_scratch({steps_ - 1, H, 4 * H})}));
    return memory;
  }

  Memory memory_of(const LayerStorage& storage) const {
    MemoryCursor kept(storage.kept);
    MemoryCursor scratch(storage.scratch);
    return cut(storage.max_batch, kept, scratch);
  }

  // The arrays of a level, one behind the other.
  float* gates(std::size_t k, const Memory& memory) const { return memory.levels + k * 6 * memory.block; }
  float* cells(std::size_t k, const Memory& memory) const { return gates(k, memory) + 4 * memory.block; }
  float* states(std::size_t k, const Memory& memory) const { return gates(k, memory) + 5 * memory.block; }
  const float* input_of(std::size_t k, const Memory& memory) const {
    return k == 0 ? memory.x : states(k - 1, memory);
  }

  void forward_level(const ForwardPass& pass, std::size_t k, const Memory& memory) const;
  void backward_steps(const BackwardPass& pass, std::size_t k, const Memory& memory) const;
  void backward_weights(const BackwardPass& pass, std::size_t k, const Memory& memory) const;
  double example_square_norm(std::size_t b, std::size_t B, std::size_t k, const Memory& memory) const;

  bool last_only_;
  std::size_t steps_;   // T
  std::size_t inputs_;  // I
  std::size_t hidden_;  // H
  std::size_t d_stride_;
  std::vector<Level> levels_;
  std::size_t first_trained_ = SIZE_MAX;
};

void Lstm::forward_level(const ForwardPass& pass, std::size_t k, const Memory& memory) const {
  const std::size_t B = pass.batch.size;
  const std::size_t H = hidden_;
  const Level& level = levels_[k];
  float* G = gates(k, memory);
  float* c = cells(k, memory);
  float* h = states(k, memory);
  gemm({steps_ * B, 4 * H, level.inputs, plain(input_of(k, memory), level.inputs),
        transposed(pass.parameters + level.weight_ih.offset, level.inputs), G, 4 * H});
  for (std::size_t t = 0; t < steps_; ++t, G += B * 4 * H, c += B * H, h += B * H) {
    if (t > 0)
      gemm({B, 4 * H, H, plain(h - B * H, H), transposed(pass.parameters + level.weight_hh.offset, H), G,
            4 * H, true});
    lstm_cell({B, H}, pass.parameters + level.bias_ih.offset, pass.parameters + level.bias_hh.offset,
              t > 0 ? c - B * H : nullptr, G, c, h);
  }
}

// d_gates of every step, from d_states, which is added to.
void Lstm::backward_steps(const BackwardPass& pass, std::size_t k, const Memory& memory) const {
  const std::size_t B = pass.batch.size;
  const std::size_t H = hidden_;
  const float* U = pass.parameters + levels_[k].weight_hh.offset;
  std::fill_n(memory.d_cell, B * H, 0.0F);
  for (std::size_t t = steps_; t-- > 0;) {
    float* dG = memory.d_gates + t * B * d_stride_;
    float* dh = memory.d_states + t * B * H;
    if (t + 1 < steps_) gemm({B, H, 4 * H, plain(dG + B * d_stride_, d_stride_), plain(U, H), dh, H, true});
    const float* c = cells(k, memory) + t * B * H;
    lstm_cell_backward({B, H}, {gates(k, memory) + t * B * 4 * H, t > 0 ? c - B * H : nullptr, c}, dh,
                       memory.d_cell, dG, d_stride_);
  }
}

void Lstm::backward_weights(const BackwardPass& pass, std::size_t k, const Memory& memory) const {
  const std::size_t B = pass.batch.size;
  const std::size_t H = hidden_;
  const Level& level = levels_[k];
  const float* dG = memory.d_gates;
  if (pass.gradient != nullptr) {
    if (level.weight_ih.trained)
      gemm({4 * H, level.inputs, steps_ * B, transposed(dG, d_stride_),
            plain(input_of(k, memory), level.inputs), pass.gradient + level.weight_ih.offset, level.inputs});
    if (level.weight_hh.trained)
      gemm({4 * H, H, (steps_ - 1) * B, transposed(dG + B * d_stride_, d_stride_),
            plain(states(k, memory), H), pass.gradient + level.weight_hh.offset, H});
    for (const Held& bias : {level.bias_ih, level.bias_hh})
      if (bias.trained) sum_rows(dG, d_stride_, steps_ * B, 4 * H, pass.gradient + bias.offset);
  }
  if (pass.square_norms == nullptr) return;
  for (std::size_t b = 0; b < B; ++b) pass.square_norms[b] += example_square_norm(b, B, k, memory);
}

double Lstm::example_square_norm(std::size_t b, std::size_t B, std::size_t k, const Memory& memory) const {
  const std::size_t H = hidden_;
  const std::size_t T = steps_;
  const Level& level = levels_[k];
  const float* dG = memory.d_gates + b * d_stride_;
  const std::size_t stride = B * d_stride_;
  double total = 0.0;
  if (level.weight_ih.trained)
    total += outer_square_norm({T, level.inputs, 4 * H}, input_of(k, memory) + b * level.inputs,
                               B * level.inputs, dG, stride, memory.own);
  if (level.weight_hh.trained && T > 1)
    total += outer_square_norm({T - 1, H, 4 * H}, states(k, memory) + b * H, B * H, dG + stride, stride,
                               memory.own);
  const int biases = (level.bias_ih.trained ? 1 : 0) + (level.bias_hh.trained ? 1 : 0);
  if (biases == 0) return total;
  sum_rows(dG, stride, T, 4 * H, memory.own);
  return total + biases * square_norm(memory.own, 4 * H);
}

}  // namespace

LayerRecipe lstm(std::string name, LstmOptions options) {
  FEDLOOM_CHECK(options.hidden >= 1 && options.levels >= 1, "LSTM '{}' of {} levels of {} units", name,
                options.levels, options.hidden);
  return [name = std::move(name), options](const Shape& input, ParameterPlan& plan) {
    if (input.size() != 2)
      throw user_error("LSTM '{}' works on sequences (positions, features), found {}", name,
                       to_string(input));
    return std::make_unique<Lstm>(name, input, options, plan);
  };
}

}  // namespace fedloom
