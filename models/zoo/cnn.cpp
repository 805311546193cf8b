// The convolutional network of the paper that introduced federated averaging: 5x5 convolutions of 32 and 64
// channels, each followed by ReLU and 2x2 max-pooling, a dense layer of 512 and the logits. Same padding, as
// its parameter count says: 1,663,370 on MNIST.
#include "models/layers/conv2d.hpp"
#include "models/layers/dense.hpp"
#include "models/layers/simple.hpp"
#include "models/sequential.hpp"
#include "models/zoo/requirements.hpp"

namespace fedloom {

namespace {

struct CnnSettings {
  std::string init = "glorot_uniform";

  template <class Visitor>
  void visit(Visitor& v) {
    v("init", init, "how weights start", initializer_names());
  }
};

std::unique_ptr<Model> make_cnn(const CnnSettings& settings, const ModelContext& context) {
  constexpr std::int64_t kSmallest = 4;  // two poolings leave one pixel
  require_images("cnn", context.data, kSmallest);
  const Initializer how = initializer(settings.init);
  Conv2dOptions conv{
      .channels = 32, .kernel = 5, .padding = 2, .relu = true, .pool = true, .initializer = how};
  const LayerRecipe first = conv2d("conv1", conv);
  conv.channels = 64;
  return sequential(context, {
                                 first,
                                 conv2d("conv2", conv),
                                 flatten(),
                                 dense("fc1", {.outputs = 512, .relu = true, .initializer = how}),
                                 dense("fc2", {.outputs = context.data.classes, .initializer = how}),
                             });
}

const Registration<ModelRegistry, CnnSettings> kCnn{
    {"cnn", "two 5x5 convolutions (32, 64) with ReLU and pooling, a dense layer of 512 (McMahan's CNN)",
     "H. B. McMahan, E. Moore, D. Ramage, S. Hampson, B. Agüera y Arcas, Communication-Efficient Learning of "
     "Deep "
     "Networks from Decentralized Data, AISTATS 2017"},
    make_cnn};

}  // namespace

}  // namespace fedloom
