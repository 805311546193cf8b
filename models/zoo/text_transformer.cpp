// A transformer encoder over token sequences. Token 0 pads, and the batch's mask says where; padding is
// neither attended to nor averaged. What it ends in is the data's affair: the class of the mean of its real
// positions, or, where tokens are hidden, these tokens, by BERT's head (a dense layer, GELU and a
// normalisation, then the embedding again). All but the head has the same names in both, so that an encoder
// pretrained on hidden tokens starts a classifier.
#include "models/adapters/ssf.hpp"
#include "models/layers/activations.hpp"
#include "models/layers/dense.hpp"
#include "models/layers/dropout.hpp"
#include "models/layers/embedding.hpp"
#include "models/layers/layer_norm.hpp"
#include "models/layers/sequence_pooling.hpp"
#include "models/layers/token_prediction.hpp"
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

// From embedded tokens on. Returns the number of prompt tokens in front.
std::size_t append_encoder(std::vector<LayerRecipe>& layers, const TextSettings& settings,
                           const ModelContext& context) {
  layers.push_back(positional_embedding("pos_embed"));
  if (settings.dropout > 0.0) layers.push_back(dropout(settings.dropout));
  const std::size_t prompts = append_prompt(layers, context.adaptation, 0);
  append_blocks(layers, {.depth = settings.depth,
                         .heads = settings.heads,
                         .hidden = settings.dim * settings.mlp_ratio,
                         .dropout = settings.dropout,
                         .prefix = prompts});
  layers.push_back(layer_norm("norm"));
  return prompts;
}

std::unique_ptr<Model> make_pretrainer(const TextSettings& settings, const ModelContext& context) {
  std::vector<LayerRecipe> layers;
  const std::size_t prompts = append_encoder(layers, settings, context);
  layers.push_back(chosen_positions(context.data.predictions, prompts));
  layers.push_back(
      dense("transform.dense",
            {.outputs = settings.dim, .initializer = Initializer::truncated_normal, .per_position = true}));
  layers.push_back(gelu());
  layers.push_back(layer_norm("transform.norm"));
  return sequential(
      context,
      {token_prediction(
          "embedding", "decoder.bias",
          {.vocabulary = context.data.vocabulary, .features = settings.dim, .deviation = kWordDeviation},
          std::move(layers))});
}

std::unique_ptr<Model> make_text(const TextSettings& settings, const ModelContext& context) {
  if (context.data.predictions > 0) return make_pretrainer(settings, context);
  require_tokens("text_transformer", context.data);
  std::vector<LayerRecipe> layers{
      token_embedding("embedding", context.data.vocabulary, settings.dim, kWordDeviation)};
  const std::size_t prompts = append_encoder(layers, settings, context);
  layers.push_back(mean_positions(prompts));
  layers.push_back(
      dense("head", {.outputs = context.data.classes, .initializer = Initializer::truncated_normal}));
  layers.push_back(ssf_adapter("head"));
  return sequential(context, layers);
}

const Registration<ModelRegistry, TextSettings> kText{
    {"text_transformer",
     "transformer encoder over tokens with a mask: mean over real positions and a linear head, or, on "
     "masked_texts, "
     "the hidden tokens",
     "A. Vaswani et al., Attention Is All You Need, NeurIPS 2017; J. Devlin et al., BERT, NAACL 2019"},
    make_text};

}  // namespace

}  // namespace fedloom
