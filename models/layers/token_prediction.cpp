// Legend: B examples of T tokens, K targets and R = B K rows; V words of D features; E (V, D), b (V), x (B,
// T, D), h (R, D), l (R, V); d* is the gradient of *.
//   x[t] = E[token[t]];   h = body(x);   l = h E^T + b
//   dE = dl^T h + (sum of dx[t] into row token[t]);   db = sum over R of dl;   dh = dl E
// Per example |dE|^2 = |G|^2 + |S|^2 + 2 <G, S> with G = dl^T h and S the sum, and
//   <G, S> = sum over t, k of dl[k, token[t]] <h[k], dx[t]>
// so neither is made.
#include "models/layers/token_prediction.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "models/elementwise.hpp"
#include "models/gemm.hpp"
#include "models/layers/chain.hpp"
#include "models/layers/memory_cursor.hpp"
#include "models/layers/outer_norm.hpp"
#include "models/layers/token_table.hpp"

namespace fedloom {

namespace {

double inner_product(const float* x, const float* y, std::size_t n) {
  double total = 0.0;
  for (std::size_t i = 0; i < n; ++i) total += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  return total;
}

class TiedTokenPrediction final : public Layer {
 public:
  TiedTokenPrediction(const std::string& name, const Shape& input, TokenTable table,
                      std::unique_ptr<Chain> body, Held bias)
      : Layer(name, input, {body->output_shape()[0], static_cast<std::int64_t>(table.vocabulary())}),
        table_(table),
        body_(std::move(body)),
        bias_(bias) {}

  std::string mixing_layer() const override { return body_->mixing_layer(); }

  LayerNeeds needs(std::size_t max_batch) const override {
    MemoryCursor kept;
    MemoryCursor scratch;
    (void)cut(kept, scratch, max_batch);
    return {kept.bytes(), scratch.floats()};
  }

  void initialize(std::span<float> parameters, Random& random) const override {
    table_.initialize(parameters, random);
    body_->initialize(parameters, random);
    std::fill_n(parameters.data() + bias_.offset, bias_.size, 0.0F);
  }

  double forward_flops() const override {
    return body_->forward_flops() +
           2.0 * static_cast<double>(table_.features()) * static_cast<double>(output_width());
  }

  void forward(const ForwardPass& pass, const float*, float* l, const LayerStorage& storage) const override {
    FEDLOOM_CHECK(pass.batch.tokens != nullptr, "layer '{}' was given no tokens", name());
    const Memory memory = cut(storage);
    table_.look_up(pass.parameters, pass.batch.tokens, pass.batch.size * input_width(), memory.x);
    body_->forward(pass, memory.x, memory.h, memory.body);
    const std::size_t R = rows(pass.batch);
    const std::size_t V = table_.vocabulary();
    const std::size_t D = table_.features();
    gemm({R, V, D, plain(memory.h, D), transposed(pass.parameters + table_.weight().offset, D), l, V});
    add_bias(l, pass.parameters + bias_.offset, R, V);
  }

  void backward(const BackwardPass& pass, const float*, const float*, float* dl, float*,
                const LayerStorage& storage) const override {
    const Memory memory = cut(storage);
    const std::size_t R = rows(pass.batch);
    const std::size_t V = table_.vocabulary();
    const std::size_t D = table_.features();
    const Held& weight = table_.weight();
    gemm({R, D, V, plain(dl, V), plain(pass.parameters + weight.offset, D), memory.dh, D});
    float* dx = weight.trained ? memory.dx : nullptr;
    body_->backward(pass, memory.x, memory.h, memory.dh, dx, memory.body);
    if (pass.gradient != nullptr) {
      if (bias_.trained) column_sums(dl, R, V, pass.gradient + bias_.offset);
      if (weight.trained) {
        gemm({V, D, R, transposed(dl, V), plain(memory.h, D), pass.gradient + weight.offset, D});
        table_.add_gradient(pass.batch.tokens, dx, pass.batch.size * input_width(), pass.gradient);
      }
    }
    if (pass.square_norms == nullptr) return;
    for (std::size_t b = 0; b < pass.batch.size; ++b)
      pass.square_norms[b] += example_square_norm(pass.batch.tokens + b * input_width(), b, dl, memory);
  }

 private:
  struct Memory {
    float* x;   // (B, T, D), kept
    float* h;   // (R, D), kept
    float* dh;  // (R, D)
    float* dx;  // (B, T, D)
    float* norm;
    LayerStorage body;
  };

  std::size_t predictions() const { return static_cast<std::size_t>(output_shape()[0]); }
  std::size_t rows(const Batch& batch) const { return batch.size * predictions(); }
  OuterSum form() const { return {predictions(), table_.features(), table_.vocabulary()}; }

  Memory cut(MemoryCursor& kept, MemoryCursor& scratch, std::size_t max_batch) const {
    const std::size_t D = table_.features();
    const LayerNeeds body = body_->needs(max_batch);
    Memory memory{};
    memory.x = kept.take<float>(max_batch * input_width() * D);
    memory.h = kept.take<float>(max_batch * predictions() * D);
    memory.dh = scratch.take<float>(max_batch * predictions() * D);
    memory.dx = scratch.take<float>(max_batch * input_width() * D);
    memory.norm = scratch.take<float>(std::max(outer_norm_scratch(form()), D));
    memory.body = {kept.take<std::uint8_t>(body.kept_bytes), scratch.take<float>(body.scratch_floats),
                   max_batch};
    return memory;
  }
  Memory cut(const LayerStorage& storage) const {
    MemoryCursor kept(storage.kept);
    MemoryCursor scratch(storage.scratch);
    return cut(kept, scratch, storage.max_batch);
  }

  double example_square_norm(const std::int32_t* tokens, std::size_t b, const float* dl,
                             const Memory& memory) const {
    const std::size_t V = table_.vocabulary();
    const std::size_t D = table_.features();
    const std::size_t K = predictions();
    dl += b * K * V;
    double total = bias_.trained ? column_sums_square_norm(dl, K, V) : 0.0;
    if (!table_.weight().trained) return total;
    const float* h = memory.h + b * K * D;
    const float* dx = memory.dx + b * input_width() * D;
    total += outer_square_norm(form(), h, D, dl, V, memory.norm);
    total += table_.square_norm(tokens, dx, input_width(), memory.norm);
    for (std::size_t t = 0; t < input_width(); ++t)
      for (std::size_t k = 0; k < K; ++k)
        total += 2.0 * static_cast<double>(dl[k * V + static_cast<std::size_t>(tokens[t])]) *
                 inner_product(h + k * D, dx + t * D, D);
    return total;
  }

  TokenTable table_;
  std::unique_ptr<Chain> body_;
  Held bias_;
};

}  // namespace

LayerRecipe token_prediction(std::string embedding, std::string bias, TokenPrediction options,
                             std::vector<LayerRecipe> body) {
  FEDLOOM_CHECK(options.vocabulary >= 1 && options.features >= 1, "{} words in {} features",
                options.vocabulary, options.features);
  return [embedding = std::move(embedding), bias = std::move(bias), options, body = std::move(body)](
             const Shape& input, ParameterPlan& plan) {
    if (input.size() != 1)
      throw user_error("token prediction works on token sequences (positions), found {}", to_string(input));
    const TokenTable table(embedding, options.vocabulary, options.features, options.deviation, plan);
    auto inner = std::make_unique<Chain>("body", Shape{input[0], options.features}, body, plan);
    const Shape& found = inner->output_shape();
    if (found.size() != 2 || found[1] != options.features)
      throw user_error("token prediction needs rows of {} features, as the embedding has, found {}",
                       options.features, to_string(found));
    const Held held = plan.add(bias, {options.vocabulary});
    return std::make_unique<TiedTokenPrediction>("token_prediction", input, table, std::move(inner), held);
  };
}

}  // namespace fedloom
