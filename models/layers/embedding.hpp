// Layers at the start of a sequence model: tokens to vectors, patches of an image to vectors, learned
// positions, and learned tokens (a class token, prompts) among the others.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "models/layers/layer.hpp"

namespace fedloom {

/// (T) tokens of Batch::tokens to (T, features). Slice NAME.weight (vocabulary, features), from N(0,
/// deviation). A token outside the vocabulary is a programmer error: data sets are checked when they are
/// loaded.
LayerRecipe token_embedding(std::string name, std::int64_t vocabulary, std::int64_t features,
                            double deviation);

/// An image (C, H, W) to its patches (H W / patch^2, features), row by row of the image, each times a matrix
/// plus a bias. Slices NAME.weight (features, C, patch, patch), from N(0, 0.02) cut at two deviations, and
/// NAME.bias (features). Throws UserError when the patch does not divide the image.
LayerRecipe patch_embedding(std::string name, std::int64_t patch, std::int64_t features);

/// x + p for a learned p: slice NAME (1, T, D), from N(0, 0.02) cut at two deviations.
LayerRecipe positional_embedding(std::string name);

struct LearnedTokens {
  std::int64_t count;                    // K, >= 1
  std::size_t before;                    // positions in front of them
  std::vector<std::int64_t> shape = {};  // of the slice; K x D floats. Empty: (K, D)
  bool adapter =
      false;  // trained beside a frozen base. B. Lester et al., EMNLP 2021; M. Jia et al., ECCV 2022
};

/// (T, D) to (K + T, D): the slice NAME's K vectors stand behind the first `before` positions. From N(0,
/// 0.02) cut at two deviations.
LayerRecipe learned_tokens(std::string name, LearnedTokens options);

}  // namespace fedloom
