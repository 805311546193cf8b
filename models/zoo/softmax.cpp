// Multinomial logistic regression: one dense layer. Convex, so it starts at zero unless told otherwise.
// The convex task of many federated papers.
#include "models/layers/dense.hpp"
#include "models/sequential.hpp"
#include "models/zoo/requirements.hpp"

namespace fedloom {

namespace {

struct SoftmaxSettings {
  std::string init = "zeros";

  template <class Visitor>
  void visit(Visitor& v) {
    v("init", init, "how weights start", initializer_names());
  }
};

const Registration<ModelRegistry, SoftmaxSettings> kSoftmax{
    {"softmax", "multinomial logistic regression on the flattened features",
     "D. R. Cox, The Regression Analysis of Binary Sequences, Journal of the Royal Statistical Society B, "
     "1958"},
    [](const SoftmaxSettings& settings, const ModelContext& context) {
      require_features("softmax", context.data);
      return sequential(
          context,
          {dense("fc", {.outputs = context.data.classes, .initializer = initializer(settings.init)})});
    }};

}  // namespace

}  // namespace fedloom
