// MLP-Mixer for small images: layers across positions and layers across features take turns. Slices have
// timm's names.
#include "models/adapters/ssf.hpp"
#include "models/layers/dense.hpp"
#include "models/layers/embedding.hpp"
#include "models/layers/feed_forward.hpp"
#include "models/layers/layer_norm.hpp"
#include "models/layers/sequence_pooling.hpp"
#include "models/sequential.hpp"
#include "models/zoo/requirements.hpp"

namespace fedloom {

namespace {

struct MixerSettings {
  std::int64_t patch = 4;
  std::int64_t dim = 128;
  std::int64_t depth = 4;
  std::int64_t token_hidden = 64;
  std::int64_t channel_hidden = 512;

  template <class Visitor>
  void visit(Visitor& v) {
    v("patch", patch, "pixels on a side of a patch; divides the image", between(1, 1024));
    v("dim", dim, "features of a token", between(1, 65536));
    v("depth", depth, "blocks", between(1, 1000));
    v("token_hidden", token_hidden, "hidden units of the layers across positions", between(1, 65536));
    v("channel_hidden", channel_hidden, "hidden units of the layers across features", between(1, 1 << 20));
  }
};

std::unique_ptr<Model> make_mixer(const MixerSettings& settings, const ModelContext& context) {
  require_images("mlp_mixer", context.data, settings.patch);
  std::vector<LayerRecipe> layers{patch_embedding("stem.proj", settings.patch, settings.dim),
                                  ssf_adapter("stem.proj")};
  for (std::int64_t i = 0; i < settings.depth; ++i) {
    const std::string name = fmt::format("blocks.{}.", i);
    layers.push_back(feed_forward(name + "mlp_tokens", {.hidden = settings.token_hidden,
                                                        .norm = name + "norm1",
                                                        .residual = true,
                                                        .across_positions = true}));
    layers.push_back(
        feed_forward(name + "mlp_channels",
                     {.hidden = settings.channel_hidden, .norm = name + "norm2", .residual = true}));
  }
  layers.push_back(layer_norm("norm"));
  layers.push_back(mean_positions());
  layers.push_back(
      dense("head", {.outputs = context.data.classes, .initializer = Initializer::truncated_normal}));
  layers.push_back(ssf_adapter("head"));
  return sequential(context, layers);
}

const Registration<ModelRegistry, MixerSettings> kMixer{
    {"mlp_mixer", "MLP-Mixer: patches as tokens, GELU layers across tokens and across features by turns",
     "I. Tolstikhin et al., MLP-Mixer: An all-MLP Architecture for Vision, NeurIPS 2021"},
    make_mixer};

}  // namespace

}  // namespace fedloom
