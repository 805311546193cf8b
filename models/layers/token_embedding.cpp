// Legend: B examples of T tokens, D features; y (B, T, D); d* is the gradient of *.
// What it does with the words is token_table.cpp.
#include <algorithm>

#include "core/error.hpp"
#include "models/layers/embedding.hpp"
#include "models/layers/token_table.hpp"

namespace fedloom {

namespace {

class TokenEmbedding final : public Layer {
 public:
  TokenEmbedding(const std::string& name, const Shape& input, TokenTable table)
      : Layer(name, input, {input[0], static_cast<std::int64_t>(table.features())}), table_(table) {}

  LayerNeeds needs(std::size_t) const override {
    return {.kept_bytes = 0, .scratch_floats = table_.features()};
  }

  void initialize(std::span<float> parameters, Random& random) const override {
    table_.initialize(parameters, random);
  }

  void forward(const ForwardPass& pass, const float*, float* y, const LayerStorage&) const override {
    FEDLOOM_CHECK(pass.batch.tokens != nullptr, "embedding '{}' was given no tokens", name());
    table_.look_up(pass.parameters, pass.batch.tokens, pass.batch.size * input_width(), y);
  }

  void backward(const BackwardPass& pass, const float*, const float*, float* dy, float*,
                const LayerStorage& storage) const override {
    const Held& weight = table_.weight();
    if (!weight.trained) return;
    const std::size_t T = input_width();
    if (pass.gradient != nullptr) {
      std::fill_n(pass.gradient + weight.offset, weight.size, 0.0F);
      table_.add_gradient(pass.batch.tokens, dy, pass.batch.size * T, pass.gradient);
    }
    if (pass.square_norms == nullptr) return;
    for (std::size_t b = 0; b < pass.batch.size; ++b)
      pass.square_norms[b] +=
          table_.square_norm(pass.batch.tokens + b * T, dy + b * output_width(), T, storage.scratch);
  }

 private:
  TokenTable table_;
};

}  // namespace

LayerRecipe token_embedding(std::string name, std::int64_t vocabulary, std::int64_t features,
                            double deviation) {
  FEDLOOM_CHECK(vocabulary >= 1 && features >= 1, "embedding '{}' of {} words in {} features", name,
                vocabulary, features);
  return [name = std::move(name), vocabulary, features, deviation](const Shape& input, ParameterPlan& plan) {
    if (input.size() != 1)
      throw user_error("embedding '{}' works on token sequences (positions), found {}", name,
                       to_string(input));
    return std::make_unique<TokenEmbedding>(name, input,
                                            TokenTable(name, vocabulary, features, deviation, plan));
  };
}

}  // namespace fedloom
