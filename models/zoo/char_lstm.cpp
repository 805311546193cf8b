// LEAF's model for the next character: an embedding, stacked LSTMs, and a dense layer on the state after the
// last character. Weights start as PyTorch's do.
#include "models/layers/dense.hpp"
#include "models/layers/embedding.hpp"
#include "models/layers/lstm.hpp"
#include "models/sequential.hpp"
#include "models/zoo/requirements.hpp"

namespace fedloom {

namespace {

struct CharLstmSettings {
  std::int64_t embedding = 8;
  std::int64_t hidden = 256;
  std::int64_t layers = 2;

  template <class Visitor>
  void visit(Visitor& v) {
    v("embedding", embedding, "features of a character", between(1, 65536));
    v("hidden", hidden, "units of each LSTM layer", between(1, 65536));
    v("layers", layers, "LSTM layers", between(1, 100));
  }
};

std::unique_ptr<Model> make_char_lstm(const CharLstmSettings& settings, const ModelContext& context) {
  require_tokens("char_lstm", context.data);
  return sequential(
      context, {token_embedding("embedding", context.data.vocabulary, settings.embedding, 1.0),
                lstm("lstm", {.hidden = settings.hidden, .levels = settings.layers, .last_only = true}),
                dense("fc", {.outputs = context.data.classes, .initializer = Initializer::fan_in_uniform})});
}

const Registration<ModelRegistry, CharLstmSettings> kCharLstm{
    {"char_lstm", "embedding, stacked LSTMs, a dense layer on the last state: the next character of a text",
     "S. Caldas et al., LEAF: A Benchmark for Federated Settings, arXiv:1812.01097, 2018"},
    make_char_lstm};

}  // namespace

}  // namespace fedloom
