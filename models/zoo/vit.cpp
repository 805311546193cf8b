// The vision transformer for small images. Slices have timm's names, but for the query, key and value
// matrices, which lie one after the other under names of their own so that adapters can tell them apart.
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

struct VitSettings {
  std::int64_t patch = 4;
  std::int64_t dim = 192;
  std::int64_t depth = 6;
  std::int64_t heads = 3;
  std::int64_t mlp_ratio = 4;
  double dropout = 0.0;
  std::string pool = "cls";

  template <class Visitor>
  void visit(Visitor& v) {
    v("patch", patch, "pixels on a side of a patch; divides the image", between(1, 1024));
    v("dim", dim, "features of a token", between(1, 65536));
    v("depth", depth, "blocks", between(1, 1000));
    v("heads", heads, "attention heads; divide dim", between(1, 1024));
    v("mlp_ratio", mlp_ratio, "hidden units of a block over dim", between(1, 64));
    v("dropout", dropout, "of the embedding and of what each half of a block adds", between(0.0, 0.99));
    v("pool", pool, "what the head sees: a class token, or the mean over the patches",
      one_of({"cls", "mean"}));
  }
};

std::unique_ptr<Model> make_vit(const VitSettings& settings, const ModelContext& context) {
  require_images("vit", context.data, settings.patch);
  const bool has_class_token = settings.pool == "cls";
  std::vector<LayerRecipe> layers{patch_embedding("patch_embed.proj", settings.patch, settings.dim),
                                  ssf_adapter("patch_embed.proj")};
  if (has_class_token)
    layers.push_back(learned_tokens("cls_token", {.count = 1, .before = 0, .shape = {1, 1, settings.dim}}));
  layers.push_back(positional_embedding("pos_embed"));
  if (settings.dropout > 0.0) layers.push_back(dropout(settings.dropout));
  const std::size_t prompts = append_prompt(layers, context.adaptation, has_class_token ? 1 : 0);
  append_blocks(layers, {.depth = settings.depth,
                         .heads = settings.heads,
                         .hidden = settings.dim * settings.mlp_ratio,
                         .dropout = settings.dropout,
                         .first_only = has_class_token});
  layers.push_back(layer_norm("norm"));
  layers.push_back(has_class_token ? first_position() : mean_positions(prompts));
  layers.push_back(
      dense("head", {.outputs = context.data.classes, .initializer = Initializer::truncated_normal}));
  layers.push_back(ssf_adapter("head"));
  return sequential(context, layers);
}

const Registration<ModelRegistry, VitSettings> kVit{
    {"vit", "vision transformer (ViT): patches as tokens, pre-norm blocks of attention and GELU layers",
     "A. Dosovitskiy et al., An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale, "
     "ICLR "
     "2021"},
    make_vit};

}  // namespace

}  // namespace fedloom
