// Scaled dot-product attention of one example, head by head, between the products that make queries, keys and
// values and the one that mixes heads. A. Vaswani et al., "Attention Is All You Need", NeurIPS 2017,
// equation 1.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fedloom {

struct AttentionForm {
  std::size_t heads;    // H
  std::size_t width;    // W, features of a head
  std::size_t queries;  // Q
  std::size_t keys;     // T

  /// T rounded up to whole vectors: the distance between rows of weights.
  std::size_t row() const { return (keys + 7) / 8 * 8; }
  std::size_t weights() const { return heads * queries * row(); }
};

/// Queries (Q, H W), keys and values (T, H W), of one example.
struct AttentionInput {
  const float* query;
  std::size_t query_stride;
  const float* key;
  const float* value;
  std::size_t stride;  // of keys and of values
};

struct AttentionGradient {
  float* query;
  std::size_t query_stride;
  float* key;  // nullptr where it is not wanted, as value
  float* value;
  std::size_t stride;
};

/// weights (H, Q, row) := softmax over keys of query . key / sqrt(W), only over keys whose `real` (row) is
/// -1, the others being 0; output (Q, H W) := the values so weighted. Without any real key all weights are
/// zero.
void attend(const AttentionForm& form, const AttentionInput& input, const std::int32_t* real, float* weights,
            float* output, std::size_t output_stride);

/// Gradients of attend. `scratch` has Q row floats, of which those beyond T in each row are zero.
void attend_backward(const AttentionForm& form, const AttentionInput& input, const float* weights,
                     const float* output_gradient, std::size_t output_stride,
                     const AttentionGradient& gradient, float* scratch);

}  // namespace fedloom
