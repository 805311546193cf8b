// What the transformers of the zoo share: their stack of pre-norm blocks and the prompt tokens of an adapter.
// Not a model: the embedding before them and the head after them are the models' own.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "models/layers/layer.hpp"

namespace fedloom {

struct Blocks {
  std::int64_t depth;
  std::int64_t heads;
  std::int64_t hidden;      // units of the feed-forward half
  double dropout;           // of what each half adds
  std::size_t prefix = 0;   // leading positions that batch.mask does not cover
  bool first_only = false;  // what leaves the last block is its first position alone
};

/// Appends blocks.{i} with norm1, attn (query, key, value, proj), norm2 and mlp (fc1, fc2). A. Dosovitskiy et
/// al., "An Image is Worth 16x16 Words", ICLR 2021, equations 2 and 3. When only a class token is read in the
/// end, the last block computes nothing for the other positions than their keys and values.
void append_blocks(std::vector<LayerRecipe>& layers, const Blocks& blocks);

/// Appends the slice prompt.weight (tokens, features) behind the first `before` positions when the adaptation
/// says so. Returns the number of tokens.
std::size_t append_prompt(std::vector<LayerRecipe>& layers, const Adaptation& adaptation, std::size_t before);

}  // namespace fedloom
