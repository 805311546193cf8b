// Legend: blocks of R rows of I features (of one position, or of T positions across them), H hidden; x (R,
// I), n = norm(x), h and a (R, H), y (R, I); d* is the gradient of *.
//   h = n W1^T + b1;   a = gelu(h);   y = x + a W2^T + b2;   dh = (dy W2) gelu'(h)
// Kept: moments of the norm, gelu'(h), and a where its product is trained; n is made again.
#include "models/layers/feed_forward.hpp"

#include <algorithm>
#include <optional>

#include "core/error.hpp"
#include "models/elementwise.hpp"
#include "models/gemm.hpp"
#include "models/kernels/gelu.hpp"
#include "models/kernels/transpose.hpp"
#include "models/layers/branch_dropout.hpp"
#include "models/layers/layer_norm.hpp"
#include "models/layers/linear_part.hpp"

namespace fedloom {

namespace {

// As in attention.cpp.
constexpr std::size_t kBlockRows = 520;
class FeedForward final : public Layer {
 public:
  FeedForward(const std::string& name, const Shape& shape, const FeedForwardOptions& options,
              ParameterPlan& plan)
      : Layer(name, shape, shape),
        options_(options),
        positions_(static_cast<std::size_t>(shape[0])),
        features_(static_cast<std::size_t>(shape[1])),
        rows_(options.across_positions ? features_ : positions_),
        block_(std::max<std::size_t>(1, kBlockRows / rows_)),
        first_(name + ".fc1", options.across_positions ? positions_ : features_,
               static_cast<std::size_t>(options.hidden)),
        second_(name + ".fc2", first_.outputs(), first_.inputs()) {
    if (!options.norm.empty()) norm_.emplace(options.norm, features_, plan);
    for (LinearPart* part : {&first_, &second_}) {
      part->declare_weight(plan);
      part->declare_bias(plan);
      part->declare_adapters(plan);
    }
  }

  LayerNeeds needs(std::size_t max_batch) const override {
    MemoryCursor kept;
    MemoryCursor scratch;
    const std::size_t capacity = std::min(block_, max_batch);
    (void)cut(capacity, kept, scratch);
    const std::size_t blocks = (max_batch + capacity - 1) / capacity;
    return {.kept_bytes = blocks * kept.bytes(), .scratch_floats = scratch.floats()};
  }

  void initialize(std::span<float> parameters, Random& random) const override {
    if (norm_) norm_->initialize(parameters);
    first_.initialize(parameters, random);
    second_.initialize(parameters, random);
  }

  double forward_flops() const override {
    return static_cast<double>(rows_) * (first_.forward_flops() + second_.forward_flops());
  }

  void forward(const ForwardPass& pass, const float* x, float* y,
               const LayerStorage& storage) const override {
    for (std::size_t first = 0; first < pass.batch.size; first += block_)
      forward_block(pass, std::min(block_, pass.batch.size - first), x + first * input_width(),
                    y + first * input_width(), block_memory(storage, first));
  }

  void backward(const BackwardPass& pass, const float* x, const float*, float* dy, float* dx,
                const LayerStorage& storage) const override {
    for (std::size_t first = 0; first < pass.batch.size; first += block_) {
      const BackwardBlock block(pass, first, std::min(block_, pass.batch.size - first));
      backward_block(block.pass, first > 0, x + first * input_width(), dy + first * input_width(),
                     dx == nullptr ? nullptr : dx + first * input_width(), block_memory(storage, first));
    }
  }

 private:
  struct Memory {
    // Kept.
    std::uint8_t* norm;
    float* slope;
    float* hidden;  // a
    std::uint8_t* first;
    std::uint8_t* second;
    std::uint8_t* mask;
    // Scratch, each as large as x.
    float* normed;
    float* turned;
    float* branch;
    float* gradient;
    float* d_hidden;
    float* own;  // of the part that runs
  };

  Memory cut(std::size_t capacity, MemoryCursor& kept, MemoryCursor& scratch) const {
    const std::size_t rows = capacity * rows_;
    const std::size_t size = capacity * input_width();
    const std::size_t hidden = rows * first_.outputs();
    Memory memory{};
    std::size_t own = 0;
    const auto part = [&](const LayerNeeds& needs) {
      own = std::max(own, needs.scratch_floats);
      return kept.take<std::uint8_t>(needs.kept_bytes);
    };
    if (norm_) memory.norm = part(norm_->needs(capacity * positions_));
    memory.slope = kept.take<float>(hidden);
    if (second_.needs_input()) memory.hidden = kept.take<float>(hidden);
    memory.first = part(first_.needs(rows, rows_));
    memory.second = part(second_.needs(rows, rows_));
    if (options_.dropout > 0.0) memory.mask = kept.take<std::uint8_t>(size);

    if (norm_) memory.normed = scratch.take<float>(size);
    if (options_.across_positions) memory.turned = scratch.take<float>(size);
    if (!adds_in_place(true)) memory.branch = scratch.take<float>(size);
    memory.gradient = scratch.take<float>(size);
    memory.d_hidden = scratch.take<float>(hidden);
    if (!second_.needs_input()) memory.hidden = memory.d_hidden;  // forward and backward take turns
    memory.own = scratch.take<float>(own);
    return memory;
  }

  Memory block_memory(const LayerStorage& storage, std::size_t first) const {
    MemoryCursor none;
    MemoryCursor size;
    (void)cut(std::min(block_, storage.max_batch), size, none);
    MemoryCursor kept(storage.kept + first / block_ * size.bytes());
    MemoryCursor scratch(storage.scratch);
    return cut(std::min(block_, storage.max_batch), kept, scratch);
  }

  bool drops(bool training) const { return training && options_.dropout > 0.0; }
  // Whether the last product may be added to y directly.
  bool adds_in_place(bool training) const {
    return !drops(training) && !second_.has_scale() && !options_.across_positions;
  }
  bool first_trains() const { return first_.trains() || (norm_ && norm_->trains()); }

  // Every example's (rows, columns) matrix to (columns, rows).
  void turn(std::size_t count, std::size_t rows, std::size_t columns, const float* from, float* to) const {
    for (std::size_t e = 0; e < count; ++e, from += rows * columns, to += rows * columns)
      transpose(rows, columns, from, to);
  }

  // What the first product sees.
  const float* turned_input(std::size_t count, const float* n, const Memory& memory) const {
    if (!options_.across_positions) return n;
    turn(count, positions_, features_, n, memory.turned);
    return memory.turned;
  }

  void forward_block(const ForwardPass& pass, std::size_t count, const float* x, float* y,
                     const Memory& memory) const;
  void backward_block(const BackwardPass& pass, bool accumulate, const float* x, float* dy, float* dx,
                      const Memory& memory) const;

  FeedForwardOptions options_;
  std::size_t positions_;  // T
  std::size_t features_;   // D
  std::size_t rows_;       // of an example, in the products
  std::size_t block_;      // examples of a block
  std::optional<NormPart> norm_;
  LinearPart first_;
  LinearPart second_;
};

void FeedForward::forward_block(const ForwardPass& pass, std::size_t count, const float* x, float* y,
                                const Memory& memory) const {
  const std::size_t rows = count * rows_;
  const std::size_t size = count * input_width();
  const std::size_t I = first_.inputs();
  const std::size_t H = first_.outputs();
  const float* n = x;
  if (norm_) {
    norm_->forward(pass, {count * positions_, {memory.norm, memory.own, block_}}, x, memory.normed);
    n = memory.normed;
  }
  first_.forward(pass, {rows, {memory.first, memory.own, block_}}, {turned_input(count, n, memory), I},
                 memory.hidden, H);
  gelu_with_slope(memory.hidden, memory.slope, rows * H);

  const LinearPart::Block last{rows, {memory.second, memory.own, block_}};
  if (options_.residual && adds_in_place(pass.options.training)) {
    std::copy_n(x, size, y);
    second_.add_forward(pass, last, {memory.hidden, H}, y, I);
    return;
  }
  const bool straight = !options_.residual && !options_.across_positions;
  float* branch = straight ? y : memory.branch;
  second_.forward(pass, last, {memory.hidden, H}, branch, I);
  if (drops(pass.options.training))
    drop(pass, static_cast<float>(options_.dropout), size, branch, memory.mask);
  if (options_.across_positions)
    turn(count, features_, positions_, branch, y);
  else if (options_.residual)
    std::copy_n(branch, size, y);
  if (options_.residual) add_scaled(y, x, 1.0F, size);
}

void FeedForward::backward_block(const BackwardPass& pass, bool accumulate, const float* x, float* dy,
                                 float* dx, const Memory& memory) const {
  const std::size_t count = pass.batch.size;
  const std::size_t rows = count * rows_;
  const std::size_t size = count * input_width();
  const std::size_t I = first_.inputs();
  const std::size_t H = first_.outputs();
  const bool deeper = dx != nullptr || first_trains();
  float* branch = dy;
  if (!adds_in_place(pass.training)) {
    branch = memory.branch;
    if (options_.across_positions)
      turn(count, positions_, features_, dy, branch);
    else
      std::copy_n(dy, size, branch);
  }
  if (drops(pass.training)) drop_again(static_cast<float>(options_.dropout), size, memory.mask, branch);
  second_.backward(pass, {rows, {memory.second, memory.own, block_}, accumulate}, {memory.hidden, H}, branch,
                   I, deeper ? memory.d_hidden : nullptr);
  if (!deeper) return;
  multiply(memory.d_hidden, memory.slope, rows * H);

  const LinearPart::Block norm{count * positions_, {memory.norm, memory.own, block_}, accumulate};
  const float* n = x;
  if (norm_ && first_.needs_input()) {
    norm_->repeat(pass.parameters, norm, x, memory.normed);
    n = memory.normed;
  }
  const bool wants_input = dx != nullptr || (norm_ && norm_->trains());
  // Without a norm or a transposition behind it, the product's gradient is the input's.
  float* dn = norm_ || options_.across_positions ? memory.gradient : dx;
  first_.backward(pass, {rows, {memory.first, memory.own, block_}, accumulate},
                  {first_.needs_input() ? turned_input(count, n, memory) : n, I}, memory.d_hidden, H,
                  wants_input ? dn : nullptr);
  if (!wants_input) return;
  if (options_.across_positions) {
    float* back = norm_ ? memory.branch : dx;
    turn(count, features_, positions_, dn, back);
    dn = back;
  }
  if (norm_) norm_->backward(pass, norm, x, dn, dx);
  if (dx != nullptr && options_.residual) add_scaled(dx, dy, 1.0F, size);
}

}  // namespace

LayerRecipe feed_forward(std::string name, FeedForwardOptions options) {
  FEDLOOM_CHECK(options.hidden >= 1, "feed-forward layer '{}' with {} hidden units", name, options.hidden);
  return [name = std::move(name), options = std::move(options)](const Shape& input, ParameterPlan& plan) {
    if (input.size() != 2)
      throw user_error("feed-forward layer '{}' works on sequences (positions, features), found {}", name,
                       to_string(input));
    return std::make_unique<FeedForward>(name, input, options, plan);
  };
}

}  // namespace fedloom
