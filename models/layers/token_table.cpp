// Legend: V tokens, D features; W (V, D), y and dy (count, D); d* is the gradient of *.
//   y[t] = W[token[t]];   dW[v] = sum of dy[t] where token[t] = v, in order
#include "models/layers/token_table.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "models/elementwise.hpp"

namespace fedloom {

TokenTable::TokenTable(const std::string& name, std::int64_t vocabulary, std::int64_t features,
                       double deviation, ParameterPlan& plan)
    : vocabulary_(static_cast<std::size_t>(vocabulary)),
      features_(static_cast<std::size_t>(features)),
      deviation_(deviation),
      weight_(plan.add(name + ".weight", {vocabulary, features})) {}

void TokenTable::initialize(std::span<float> parameters, Random& random) const {
  for (float& value : parameters.subspan(weight_.offset, weight_.size))
    value = static_cast<float>(random.normal(0.0, deviation_));
}

void TokenTable::look_up(const float* parameters, const std::int32_t* tokens, std::size_t count,
                         float* y) const {
  const float* weight = parameters + weight_.offset;
  for (std::size_t t = 0; t < count; ++t) {
    FEDLOOM_CHECK(tokens[t] >= 0 && static_cast<std::size_t>(tokens[t]) < vocabulary_,
                  "token {} of a vocabulary of {}", tokens[t], vocabulary_);
    std::copy_n(weight + static_cast<std::size_t>(tokens[t]) * features_, features_, y + t * features_);
  }
}

void TokenTable::add_gradient(const std::int32_t* tokens, const float* dy, std::size_t count,
                              float* gradient) const {
  for (std::size_t t = 0; t < count; ++t)
    add_scaled(gradient + weight_.offset + static_cast<std::size_t>(tokens[t]) * features_,
               dy + t * features_, 1.0F, features_);
}

double TokenTable::square_norm(const std::int32_t* tokens, const float* dy, std::size_t count,
                               float* scratch) const {
  double total = 0.0;
  for (std::size_t t = 0; t < count; ++t) {
    if (std::find(tokens, tokens + t, tokens[t]) != tokens + t) continue;  // counted where it stood first
    std::copy_n(dy + t * features_, features_, scratch);
    for (std::size_t s = t + 1; s < count; ++s)
      if (tokens[s] == tokens[t]) add_scaled(scratch, dy + s * features_, 1.0F, features_);
    total += fedloom::square_norm(scratch, features_);
  }
  return total;
}

}  // namespace fedloom
