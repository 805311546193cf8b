// Legend: B examples of T tokens, V words, D features; W (V, D), y (B, T, D); d* is the gradient of *.
//   y[b, t] = W[token[b, t]];   dW[v] = sum of dy[b, t] where token[b, t] = v, in the order of the batch
// Per example a word that stands at several positions adds them up before its norm is taken.
#include <algorithm>

#include "core/error.hpp"
#include "models/elementwise.hpp"
#include "models/layers/embedding.hpp"

namespace fedloom {

namespace {

class TokenEmbedding final : public Layer {
 public:
  TokenEmbedding(const std::string& name, const Shape& input, std::int64_t vocabulary, std::int64_t features,
                 double deviation, ParameterPlan& plan)
      : Layer(name, input, {input[0], features}),
        vocabulary_(vocabulary),
        features_(static_cast<std::size_t>(features)),
        deviation_(deviation),
        weight_(plan.add(name + ".weight", {vocabulary, features})) {}

  LayerNeeds needs(std::size_t) const override { return {.kept_bytes = 0, .scratch_floats = features_}; }

  void initialize(std::span<float> parameters, Random& random) const override {
    for (float& value : parameters.subspan(weight_.offset, weight_.size))
      value = static_cast<float>(random.normal(0.0, deviation_));
  }

  void forward(const ForwardPass& pass, const float*, float* y, const LayerStorage&) const override {
    FEDLOOM_CHECK(pass.batch.tokens != nullptr, "embedding '{}' was given no tokens", name());
    const float* weight = pass.parameters + weight_.offset;
    for (std::size_t i = 0; i < pass.batch.size * input_width(); ++i) {
      const std::int32_t token = pass.batch.tokens[i];
      FEDLOOM_CHECK(token >= 0 && token < vocabulary_, "token {} of a vocabulary of {}", token, vocabulary_);
      std::copy_n(weight + static_cast<std::size_t>(token) * features_, features_, y + i * features_);
    }
  }

  void backward(const BackwardPass& pass, const float*, const float*, float* dy, float*,
                const LayerStorage& storage) const override {
    if (!weight_.trained) return;
    const std::size_t T = input_width();
    if (pass.gradient != nullptr) {
      float* gradient = pass.gradient + weight_.offset;
      std::fill_n(gradient, weight_.size, 0.0F);
      for (std::size_t i = 0; i < pass.batch.size * T; ++i)
        add_scaled(gradient + static_cast<std::size_t>(pass.batch.tokens[i]) * features_, dy + i * features_,
                   1.0F, features_);
    }
    if (pass.square_norms == nullptr) return;
    for (std::size_t b = 0; b < pass.batch.size; ++b)
      pass.square_norms[b] +=
          example_square_norm(pass.batch.tokens + b * T, dy + b * T * features_, storage.scratch);
  }

 private:
  double example_square_norm(const std::int32_t* tokens, const float* dy, float* word) const {
    const std::size_t T = input_width();
    double total = 0.0;
    for (std::size_t t = 0; t < T; ++t) {
      if (std::find(tokens, tokens + t, tokens[t]) != tokens + t) continue;  // counted where it stood first
      std::copy_n(dy + t * features_, features_, word);
      for (std::size_t s = t + 1; s < T; ++s)
        if (tokens[s] == tokens[t]) add_scaled(word, dy + s * features_, 1.0F, features_);
      total += square_norm(word, features_);
    }
    return total;
  }

  std::int64_t vocabulary_;
  std::size_t features_;
  double deviation_;
  Held weight_;
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
    return std::make_unique<TokenEmbedding>(name, input, vocabulary, features, deviation, plan);
  };
}

}  // namespace fedloom
