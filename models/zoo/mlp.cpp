// Perceptrons with ReLU between dense layers: `mlp` with hidden widths to choose, and `2nn`, the network of
// two hidden layers of 200 units of the paper that introduced federated averaging (199,210 parameters on
// MNIST).
#include "models/layers/dense.hpp"
#include "models/sequential.hpp"
#include "models/zoo/requirements.hpp"

namespace fedloom {

namespace {

constexpr double kWidest = 1 << 20;

// fc1, fc2, … fcN; the last gives the logits.
std::unique_ptr<Model> perceptron(const ModelContext& context, const std::vector<std::int64_t>& hidden,
                                  const std::string& init) {
  const Initializer how = initializer(init);
  std::vector<LayerRecipe> layers;
  for (const std::int64_t width : hidden)
    layers.push_back(
        dense(fmt::format("fc{}", layers.size() + 1), {.outputs = width, .relu = true, .initializer = how}));
  layers.push_back(
      dense(fmt::format("fc{}", layers.size() + 1), {.outputs = context.data.classes, .initializer = how}));
  return sequential(context, layers);
}

struct MlpSettings {
  std::vector<std::int64_t> hidden = {200, 200};
  std::string init = "glorot_uniform";

  template <class Visitor>
  void visit(Visitor& v) {
    v("hidden", hidden, "units of each hidden layer", between(1, kWidest));
    v("init", init, "how weights start", initializer_names());
  }
};

struct TwoLayerSettings {
  std::string init = "glorot_uniform";

  template <class Visitor>
  void visit(Visitor& v) {
    v("init", init, "how weights start", initializer_names());
  }
};

const Registration<ModelRegistry, MlpSettings> kMlp{
    {"mlp", "multilayer perceptron with ReLU on the flattened features",
     "D. E. Rumelhart, G. E. Hinton, R. J. Williams, Learning representations by back-propagating errors, "
     "Nature, 1986"},
    [](const MlpSettings& settings, const ModelContext& context) {
      require_features("mlp", context.data);
      return perceptron(context, settings.hidden, settings.init);
    }};

const Registration<ModelRegistry, TwoLayerSettings> kTwoLayers{
    {"2nn", "two hidden layers of 200 units with ReLU (McMahan's 2NN)",
     "H. B. McMahan, E. Moore, D. Ramage, S. Hampson, B. Agüera y Arcas, Communication-Efficient Learning of "
     "Deep "
     "Networks from Decentralized Data, AISTATS 2017"},
    [](const TwoLayerSettings& settings, const ModelContext& context) {
      require_features("2nn", context.data);
      return perceptron(context, {200, 200}, settings.init);
    }};

}  // namespace

}  // namespace fedloom
