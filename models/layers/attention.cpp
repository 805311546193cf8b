// Legend: B examples of T positions and D features, worked on in blocks of E examples; Q positions that ask
// (T, or 1); x (E T, D), n = norm(x), q (E Q, D), k and v (E T, D), o (E Q, D), y (E Q, D); d* is the
// gradient of *.
//   q, k, v = n Wq^T + bq, ...;   o = heads of softmax(q k^T / sqrt W) v;   y = x + o Wp^T + bp
// Kept: moments of the norm, q, k, v, the attention weights, and o where its product is trained; n is made
// again.
#include "models/layers/attention.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "core/error.hpp"
#include "models/elementwise.hpp"
#include "models/gemm.hpp"
#include "models/layers/attention_core.hpp"
#include "models/layers/branch_dropout.hpp"
#include "models/layers/layer_norm.hpp"
#include "models/layers/linear_part.hpp"
#include "models/layers/outer_norm.hpp"

namespace fedloom {

namespace {

// Rows of a block: enough that packing a weight matrix is a small part of its product, few enough that what a
// block makes stays in the second and third cache.
constexpr std::size_t kBlockRows = 520;
enum Role : std::size_t { kQuery, kKey, kValue };

class Attention final : public Layer {
 public:
  Attention(const std::string& name, const Shape& input, const AttentionOptions& options, ParameterPlan& plan)
      : Layer(name, input, options.first_only ? Shape{1, input[1]} : input),
        options_(options),
        form_{.heads = static_cast<std::size_t>(options.heads),
              .width = static_cast<std::size_t>(input[1] / options.heads),
              .queries = options.first_only ? 1 : static_cast<std::size_t>(input[0]),
              .keys = static_cast<std::size_t>(input[0])},
        features_(static_cast<std::size_t>(input[1])),
        block_(std::max<std::size_t>(1, kBlockRows / form_.keys)),
        parts_{LinearPart{name + ".query", features_, features_},
               LinearPart{name + ".key", features_, features_},
               LinearPart{name + ".value", features_, features_}},
        proj_(name + ".proj", features_, features_) {
    if (!options.norm.empty()) norm_.emplace(options.norm, features_, plan);
    for (LinearPart& part : parts_) part.declare_weight(plan);
    for (LinearPart& part : parts_) part.declare_bias(plan);
    for (LinearPart& part : parts_) part.declare_adapters(plan);
    proj_.declare_weight(plan);
    proj_.declare_bias(plan);
    proj_.declare_adapters(plan);
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
    for (const LinearPart& part : parts_) part.initialize(parameters, random);
    proj_.initialize(parameters, random);
  }

  double forward_flops() const override {
    const auto Q = static_cast<double>(form_.queries);
    const auto T = static_cast<double>(form_.keys);
    return Q * (parts_[kQuery].forward_flops() + proj_.forward_flops()) +
           T * (parts_[kKey].forward_flops() + parts_[kValue].forward_flops()) +
           4.0 * Q * T * static_cast<double>(features_);
  }

  void forward(const ForwardPass& pass, const float* x, float* y,
               const LayerStorage& storage) const override {
    for (std::size_t first = 0; first < pass.batch.size; first += block_) {
      const Memory memory = block_memory(storage, first);
      const std::size_t count = std::min(block_, pass.batch.size - first);
      forward_block(pass, first, count, x + first * input_width(), y + first * output_width(), memory);
    }
  }

  void backward(const BackwardPass& pass, const float* x, const float*, float* dy, float* dx,
                const LayerStorage& storage) const override {
    for (std::size_t first = 0; first < pass.batch.size; first += block_) {
      const Memory memory = block_memory(storage, first);
      const BackwardBlock block(pass, first, std::min(block_, pass.batch.size - first));
      backward_block(block.pass, first > 0, x + first * input_width(), dy + first * output_width(),
                     dx == nullptr ? nullptr : dx + first * input_width(), memory);
    }
  }

 private:
  // Where q, k, v lie in one array: side by side when all positions ask, q by itself otherwise.
  struct Products {
    float* query;
    std::size_t query_stride;
    float* key;
    float* value;
    std::size_t stride;
  };

  struct Memory {
    // Kept.
    std::uint8_t* norm;
    float* products;
    float* weights;
    float* mixed;  // o
    std::array<std::uint8_t*, 3> parts;
    std::uint8_t* proj;
    std::uint8_t* mask;
    // Scratch.
    float* normed;
    float* branch;
    float* d_mixed;
    float* d_products;
    float* d_normed;
    float* d_weights;
    std::int32_t* real;
    float* own;  // of the part that runs
  };

  Memory cut(std::size_t capacity, MemoryCursor& kept, MemoryCursor& scratch) const {
    const std::size_t rows = capacity * form_.keys;
    const std::size_t asks = capacity * form_.queries;
    const std::size_t D = features_;
    Memory memory{};
    std::size_t own = 0;
    const auto part = [&](const LayerNeeds& needs) {
      own = std::max(own, needs.scratch_floats);
      return kept.take<std::uint8_t>(needs.kept_bytes);
    };
    if (norm_) memory.norm = part(norm_->needs(rows));
    memory.products = kept.take<float>(asks * D + 2 * rows * D);
    memory.weights = kept.take<float>(capacity * form_.weights());
    if (proj_.needs_input()) memory.mixed = kept.take<float>(asks * D);
    for (std::size_t i = 0; i < parts_.size(); ++i)
      memory.parts[i] =
          part(i == kQuery ? parts_[i].needs(asks, form_.queries) : parts_[i].needs(rows, form_.keys));
    memory.proj = part(proj_.needs(asks, form_.queries));
    if (options_.dropout > 0.0) memory.mask = kept.take<std::uint8_t>(asks * D);

    if (norm_) memory.normed = scratch.take<float>(rows * D);
    if (!adds_in_place(true)) memory.branch = scratch.take<float>(asks * D);
    memory.d_mixed = scratch.take<float>(asks * D);
    if (!proj_.needs_input()) memory.mixed = memory.d_mixed;  // forward and backward take turns
    memory.d_products = scratch.take<float>(asks * D + 2 * rows * D);
    memory.d_normed = scratch.take<float>(rows * D);
    memory.d_weights = scratch.take<float>(form_.queries * form_.row());
    memory.real = scratch.take<std::int32_t>(form_.row());
    own = std::max(own, outer_norm_scratch({form_.keys, D, 3 * D}));
    memory.own = scratch.take<float>(own);
    return memory;
  }

  Memory block_memory(const LayerStorage& storage, std::size_t first) const {
    MemoryCursor none;
    MemoryCursor scratch(storage.scratch);
    MemoryCursor size;
    (void)cut(std::min(block_, storage.max_batch), size, none);
    MemoryCursor kept(storage.kept + first / block_ * size.bytes());
    return cut(std::min(block_, storage.max_batch), kept, scratch);
  }

  Products products(float* start, std::size_t count) const {
    const std::size_t D = features_;
    if (!options_.first_only) return {start, 3 * D, start + D, start + 2 * D, 3 * D};
    return {start, D, start + count * D, start + count * D + D, 2 * D};
  }

  // Where the part at `role` writes or is differentiated.
  struct Slot {
    float* data;
    std::size_t stride;
    std::size_t rows;
    LowRank::Rows input;
  };
  Slot slot(std::size_t role, const Products& at, std::size_t count, const float* n) const {
    if (role == kQuery)
      return {at.query,
              at.query_stride,
              count * form_.queries,
              {n, options_.first_only ? form_.keys * features_ : features_}};
    return {role == kKey ? at.key : at.value, at.stride, count * form_.keys, {n, features_}};
  }

  LinearPart::Block part_block(const Memory& memory, std::size_t role, std::size_t rows,
                               bool accumulate) const {
    return {rows, {memory.parts[role], memory.own, block_}, accumulate};
  }

  bool drops(bool training) const { return training && options_.dropout > 0.0; }
  // Whether the last product may be added to y directly.
  bool adds_in_place(bool training) const { return !drops(training) && !proj_.has_scale(); }
  bool first_trains() const {
    return (norm_ && norm_->trains()) ||
           std::any_of(parts_.begin(), parts_.end(), [](const LinearPart& part) { return part.trains(); });
  }

  void mark_real(const Batch& batch, std::size_t example, std::int32_t* real) const {
    std::fill_n(real, form_.keys, -1);
    std::fill(real + form_.keys, real + form_.row(), 0);
    if (batch.mask == nullptr) return;
    const std::size_t length = form_.keys - options_.prefix;
    for (std::size_t t = 0; t < length; ++t)
      real[options_.prefix + t] = batch.mask[example * length + t] != 0 ? -1 : 0;
  }

  void forward_block(const ForwardPass& pass, std::size_t first, std::size_t count, const float* x, float* y,
                     const Memory& memory) const;
  void backward_block(const BackwardPass& pass, bool accumulate, const float* x, float* dy, float* dx,
                      const Memory& memory) const;
  void backward_products(const BackwardPass& pass, bool accumulate, const float* n, const Products& d,
                         float* dn, const Memory& memory) const;

  AttentionOptions options_;
  AttentionForm form_;
  std::size_t features_;  // D
  std::size_t block_;     // E
  std::optional<NormPart> norm_;
  std::array<LinearPart, 3> parts_;
  LinearPart proj_;
};

void Attention::forward_block(const ForwardPass& pass, std::size_t first, std::size_t count, const float* x,
                              float* y, const Memory& memory) const {
  const std::size_t D = features_;
  const std::size_t rows = count * form_.keys;
  const std::size_t asks = count * form_.queries;
  const float* n = x;
  if (norm_) {
    norm_->forward(pass, {rows, {memory.norm, memory.own, block_}}, x, memory.normed);
    n = memory.normed;
  }
  const Products at = products(memory.products, count);
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const Slot part = slot(i, at, count, n);
    parts_[i].observe(pass, part.rows, part.input);
  }
  // The three weights, and their biases, lie one after the other: one product for those that see the same
  // rows.
  const float* weights = pass.parameters + parts_[kQuery].weight().offset;
  const float* biases = pass.parameters + parts_[kQuery].bias().offset;
  if (options_.first_only) {
    gemm({asks, D, D, plain(n, form_.keys * D), transposed(weights, D), at.query, D});
    add_bias(at.query, biases, asks, D);
    gemm({rows, 2 * D, D, plain(n, D), transposed(weights + D * D, D), at.key, 2 * D});
    add_bias(at.key, biases + D, rows, 2 * D);
  } else {
    gemm({rows, 3 * D, D, plain(n, D), transposed(weights, D), at.query, 3 * D});
    add_bias(at.query, biases, rows, 3 * D);
  }
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const Slot part = slot(i, at, count, n);
    parts_[i].adapt(pass, part_block(memory, i, part.rows, false), part.input, part.data, part.stride);
  }
  for (std::size_t e = 0; e < count; ++e) {
    if (e == 0 || pass.batch.mask != nullptr) mark_real(pass.batch, first + e, memory.real);
    const std::size_t key_row = e * form_.keys * at.stride;
    attend(form_,
           {at.query + e * form_.queries * at.query_stride, at.query_stride, at.key + key_row,
            at.value + key_row, at.stride},
           memory.real, memory.weights + e * form_.weights(), memory.mixed + e * form_.queries * D, D);
  }

  const LinearPart::Block last{asks, {memory.proj, memory.own, block_}};
  const std::size_t step = form_.keys / form_.queries * D;  // from one position that asks to the next, in x
  if (options_.residual)
    for (std::size_t row = 0; row < asks; ++row) std::copy_n(x + row * step, D, y + row * D);
  if (options_.residual && adds_in_place(pass.options.training)) {
    proj_.add_forward(pass, last, {memory.mixed, D}, y, D);
    return;
  }
  float* branch = options_.residual ? memory.branch : y;
  proj_.forward(pass, last, {memory.mixed, D}, branch, D);
  if (drops(pass.options.training))
    drop(pass, static_cast<float>(options_.dropout), asks * D, branch, memory.mask);
  if (options_.residual) add_scaled(y, branch, 1.0F, asks * D);
}

void Attention::backward_block(const BackwardPass& pass, bool accumulate, const float* x, float* dy,
                               float* dx, const Memory& memory) const {
  const std::size_t D = features_;
  const std::size_t count = pass.batch.size;
  const std::size_t rows = count * form_.keys;
  const std::size_t asks = count * form_.queries;
  const bool deeper = dx != nullptr || first_trains();
  const LinearPart::Block last{asks, {memory.proj, memory.own, block_}, accumulate};
  float* branch = dy;
  if (!adds_in_place(pass.training)) {
    branch = memory.branch;
    std::copy_n(dy, asks * D, branch);
  }
  if (drops(pass.training)) drop_again(static_cast<float>(options_.dropout), asks * D, memory.mask, branch);
  proj_.backward(pass, last, {memory.mixed, D}, branch, D, deeper ? memory.d_mixed : nullptr);
  if (!deeper) return;

  const float* n = x;
  const LinearPart::Block norm{rows, {memory.norm, memory.own, block_}, accumulate};
  const bool needs_input =
      std::any_of(parts_.begin(), parts_.end(), [](const LinearPart& part) { return part.needs_input(); });
  if (norm_ && needs_input) {
    norm_->repeat(pass.parameters, norm, x, memory.normed);
    n = memory.normed;
  }
  const bool wants_input = dx != nullptr || (norm_ && norm_->trains());
  const Products at = products(memory.products, count);
  const Products d = products(memory.d_products, count);
  std::fill_n(memory.d_weights, form_.queries * form_.row(), 0.0F);
  const auto wanted = [&](std::size_t role) { return wants_input || parts_[role].trains(); };
  for (std::size_t e = 0; e < count; ++e) {
    const std::size_t key_row = e * form_.keys * at.stride;
    const std::size_t query_row = e * form_.queries * at.query_stride;
    attend_backward(
        form_, {at.query + query_row, at.query_stride, at.key + key_row, at.value + key_row, at.stride},
        memory.weights + e * form_.weights(), memory.d_mixed + e * form_.queries * D, D,
        {wanted(kQuery) ? d.query + query_row : nullptr, d.query_stride,
         wanted(kKey) ? d.key + key_row : nullptr, wanted(kValue) ? d.value + key_row : nullptr, d.stride},
        memory.d_weights);
  }
  float* dn = nullptr;
  if (wants_input) dn = norm_ ? memory.d_normed : dx;
  backward_products(pass, accumulate, n, d, dn, memory);
  if (norm_ && wants_input) norm_->backward(pass, norm, x, dn, dx);
  if (dx == nullptr || !options_.residual) return;
  const std::size_t step = form_.keys / form_.queries * D;
  if (step == D)
    add_scaled(dx, dy, 1.0F, asks * D);
  else
    for (std::size_t row = 0; row < asks; ++row) add_scaled(dx + row * step, dy + row * D, 1.0F, D);
}

void Attention::backward_products(const BackwardPass& pass, bool accumulate, const float* n,
                                  const Products& d, float* dn, const Memory& memory) const {
  const std::size_t D = features_;
  const std::size_t count = pass.batch.size;
  const std::size_t rows = count * form_.keys;
  const std::size_t asks = count * form_.queries;
  const bool together =
      !options_.first_only &&
      std::all_of(parts_.begin(), parts_.end(), [](const LinearPart& p) { return p.weight().trained; });
  const std::size_t weights = parts_[kQuery].weight().offset;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const Slot part = slot(i, d, count, n);
    const LinearPart::Block block = part_block(memory, i, part.rows, accumulate);
    parts_[i].backward_scale(pass, block, part.data, part.stride);
    parts_[i].backward_base(pass, block, part.input, part.data, part.stride, !together);
  }
  if (together && pass.gradient != nullptr)
    gemm({3 * D, D, rows, transposed(d.query, 3 * D), plain(n, D), pass.gradient + weights, D, accumulate});
  if (together && pass.square_norms != nullptr)
    for (std::size_t e = 0; e < count; ++e)
      pass.square_norms[e] += outer_square_norm({form_.keys, D, 3 * D}, n + e * form_.keys * D, D,
                                                d.query + e * form_.keys * 3 * D, 3 * D, memory.own);
  if (dn != nullptr && options_.first_only) {
    gemm({rows, D, 2 * D, plain(d.key, 2 * D), plain(pass.parameters + weights + D * D, D), dn, D});
    gemm({asks, D, D, plain(d.query, D), plain(pass.parameters + weights, D), dn, form_.keys * D, true});
  } else if (dn != nullptr) {
    gemm({rows, D, 3 * D, plain(d.query, 3 * D), plain(pass.parameters + weights, D), dn, D});
  }
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const Slot part = slot(i, d, count, n);
    parts_[i].backward_lora(pass, part_block(memory, i, part.rows, accumulate), part.input, part.data,
                            part.stride, dn, part.input.stride);
  }
}

}  // namespace

LayerRecipe attention(std::string name, AttentionOptions options) {
  FEDLOOM_CHECK(options.heads >= 1, "attention '{}' with {} heads", name, options.heads);
  return [name = std::move(name), options = std::move(options)](const Shape& input, ParameterPlan& plan) {
    if (input.size() != 2)
      throw user_error("attention '{}' works on sequences (positions, features), found {}", name,
                       to_string(input));
    if (input[1] % options.heads != 0)
      throw user_error("attention '{}' has {} heads, which do not divide its {} features", name,
                       options.heads, input[1]);
    return std::make_unique<Attention>(name, input, options, plan);
  };
}

}  // namespace fedloom
