// A transformer encoder that classifies token sequences by the mean of its real positions. Token 0 pads, and
// the batch's mask says where; padding is neither attended to nor averaged.
#include "models/adapters/ssf.hpp"
#include "models/layers/dense.hpp"
#include "models/layers/dropout.hpp"
#include "models/layers/embedding.hpp"
#include "models/layers/layer_norm.hpp"
#include "models/layers/sequence_pooling.hpp"
#include "models/sequential.hpp"
#include "models/zoo/requirements.hpp"
#include "models/zoo/transformer_blocks.hpp"

namespace fedloom {

namespace {

constexpr double kWordDeviation = 0.02;  // as of the positions that are added

struct TextSettings {
  std::int64_t dim = 64;
  std::int64_t depth = 2;
  std::int64_t heads = 4;
  std::int64_t mlp_ratio = 4;
  double dropout = 0.0;

  template <class Visitor>
  void visit(Visitor& v) {
    v("dim", dim, "features of a token", between(1, 65536));
    v("depth", depth, "blocks", between(1, 1000));
    v("heads", heads, "attention heads; divide dim", between(1, 1024));
    v("mlp_ratio", mlp_ratio, "hidden units of a block over dim", between(1, 64));
    v("dropout", dropout, "of the embedding and of what each half of a block adds", between(0.0, 0.99));
  }
};

std::unique_ptr<Model> make_text(const TextSettings& settings, const ModelContext& context) {
  require_tokens("text_transformer", context.data);
  std::vector<LayerRecipe> layers{
      token_embedding("embedding", context.data.vocabulary, settings.dim, kWordDeviation),
      positional_embedding("pos_embed")};
  if (settings.dropout > 0.0) layers.push_back(dropout(settings.dropout));
  const std::size_t prompts = append_prompt(layers, context.adaptation, 0);
  append_blocks(layers, {.depth = settings.depth,
                         .heads = settings.heads,
                         .hidden = settings.dim * settings.mlp_ratio,
                         .dropout = settings.dropout,
                         .prefix = prompts});
  layers.push_back(layer_norm("norm"));
  layers.push_back(mean_positions(prompts));
  layers.push_back(
      dense("head", {.outputs = context.data.classes, .initializer = Initializer::truncated_normal}));
  layers.push_back(ssf_adapter("head"));
  return sequential(context, layers);
}

const Registration<ModelRegistry, TextSettings> kText{
    {"text_transformer",
     "transformer encoder over tokens with a mask, mean over real positions, a linear head",
     "A. Vaswani et al., Attention Is All You Need, NeurIPS 2017"},
    make_text};

}  // namespace

}  // namespace fedloom
