// The CIFAR-10 net of pfl-research's benchmark: two 3x3 convolutions without padding, one pooling, dropout,
// two dense layers; 1,626,442 parameters on CIFAR-10.
#include "models/layers/conv2d.hpp"
#include "models/layers/dense.hpp"
#include "models/layers/dropout.hpp"
#include "models/layers/simple.hpp"
#include "models/sequential.hpp"
#include "models/zoo/requirements.hpp"

namespace fedloom {

namespace {

struct PflSettings {
  std::string init = "glorot_uniform";
  bool dropout = true;

  template <class Visitor>
  void visit(Visitor& v) {
    v("init", init, "how weights start", initializer_names());
    v("dropout", dropout, "drop a quarter of the maps' and half of the dense layer's values in training");
  }
};

const Registration<ModelRegistry, PflSettings> kPflCnn{
    {"pfl_cnn", "pfl-research's CIFAR-10 net: 3x3 convolutions of 32 and 64 maps, dense 128, dropout",
     "F. Granqvist et al., pfl-research: simulation framework for accelerating research in Private Federated "
     "Learning, NeurIPS 2024 (Datasets and Benchmarks)"},
    [](const PflSettings& settings, const ModelContext& context) {
      constexpr std::int64_t kSmallest = 6;
      require_images("pfl_cnn", context.data, kSmallest);
      const Initializer how = initializer(settings.init);
      return sequential(
          context,
          {conv2d("conv1", {.channels = 32, .kernel = 3, .relu = true, .initializer = how}),
           conv2d("conv2", {.channels = 64, .kernel = 3, .relu = true, .pool = true, .initializer = how}),
           dropout(settings.dropout ? 0.25 : 0.0), flatten(),
           dense("fc1", {.outputs = 128, .relu = true, .initializer = how}),
           dropout(settings.dropout ? 0.5 : 0.0),
           dense("fc2", {.outputs = context.data.classes, .initializer = how})});
    }};

}  // namespace

}  // namespace fedloom
