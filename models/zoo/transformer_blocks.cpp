// Stacks of attention and feed-forward halves, each x + f(norm(x)).
#include "models/zoo/transformer_blocks.hpp"

#include <fmt/format.h>

#include "models/layers/attention.hpp"
#include "models/layers/embedding.hpp"
#include "models/layers/feed_forward.hpp"

namespace fedloom {

void append_blocks(std::vector<LayerRecipe>& layers, const Blocks& blocks) {
  for (std::int64_t i = 0; i < blocks.depth; ++i) {
    const std::string name = fmt::format("blocks.{}.", i);
    layers.push_back(attention(name + "attn", {.heads = blocks.heads,
                                               .norm = name + "norm1",
                                               .residual = true,
                                               .dropout = blocks.dropout,
                                               .prefix = blocks.prefix,
                                               .first_only = blocks.first_only && i + 1 == blocks.depth}));
    layers.push_back(feed_forward(
        name + "mlp",
        {.hidden = blocks.hidden, .norm = name + "norm2", .residual = true, .dropout = blocks.dropout}));
  }
}

std::size_t append_prompt(std::vector<LayerRecipe>& layers, const Adaptation& adaptation,
                          std::size_t before) {
  if (adaptation.method != Adaptation::Method::prompt) return 0;
  layers.push_back(
      learned_tokens("prompt.weight", {.count = adaptation.tokens, .before = before, .adapter = true}));
  return static_cast<std::size_t>(adaptation.tokens);
}

}  // namespace fedloom
