// Telling hidden tokens from the others, with one table of vectors at both ends. J. Devlin, M. Chang, K. Lee,
// K. Toutanova, "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", NAACL
// 2019, section 3.1; tied as in O. Press, L. Wolf, "Using the Output Embedding to Improve Language Models",
// EACL 2017. Which tokens are hidden is the data's.
#pragma once

#include <string>
#include <vector>

#include "models/layers/layer.hpp"

namespace fedloom {

struct TokenPrediction {
  std::int64_t vocabulary;  // V, >= 1
  std::int64_t features;    // D, >= 1
  double deviation;         // of the table's normal start
};

/// (T) tokens of Batch::tokens to logits (K, V): the embedding E, then `body` from (T, D) to (K, D), one row
/// for each target, then h E^T + b. One layer, because both ends share E and its gradient is the sum of both.
/// Slices EMBEDDING.weight (V, D), those of the body, BIAS (V) from zero. Throws UserError when the body
/// gives rows of another width.
LayerRecipe token_prediction(std::string embedding, std::string bias, TokenPrediction options,
                             std::vector<LayerRecipe> body);

}  // namespace fedloom
