// A vector for every token of a vocabulary: the part that an embedding looks up and that an output layer tied
// to it multiplies by. The layers themselves are embedding.hpp and token_prediction.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "models/layers/layer.hpp"

namespace fedloom {

/// Slice NAME.weight (vocabulary, features), from N(0, deviation). A token outside the vocabulary is a
/// programmer error: data sets are checked when they are loaded.
class TokenTable {
 public:
  TokenTable(const std::string& name, std::int64_t vocabulary, std::int64_t features, double deviation,
             ParameterPlan& plan);

  const Held& weight() const { return weight_; }
  std::size_t vocabulary() const { return vocabulary_; }
  std::size_t features() const { return features_; }

  void initialize(std::span<float> parameters, Random& random) const;
  /// y (count, features) := the vectors of `count` tokens.
  void look_up(const float* parameters, const std::int32_t* tokens, std::size_t count, float* y) const;
  /// gradient += that of the table, given dy (count, features); `gradient` is a whole flat vector.
  void add_gradient(const std::int32_t* tokens, const float* dy, std::size_t count, float* gradient) const;
  /// The square norm of what add_gradient adds for one example of `count` tokens: a token that stands at
  /// several positions adds them up first. `scratch`: (features).
  double square_norm(const std::int32_t* tokens, const float* dy, std::size_t count, float* scratch) const;

 private:
  std::size_t vocabulary_;
  std::size_t features_;
  double deviation_;
  Held weight_;
};

}  // namespace fedloom
