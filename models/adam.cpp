// Adam. D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, Algorithm 1, with
// PyTorch's meaning and defaults: moments corrected for their start at zero, eps added after the correction,
// weight decay added to the gradient (so it is scaled like it; adamw keeps the two apart).
#include <memory>

#include "models/adam_moments.hpp"
#include "models/optimizer.hpp"

namespace fedloom {

namespace {

struct AdamConfig {
  AdamSettings s;

  template <class Visitor>
  void visit(Visitor& v) {
    v("beta1", s.beta1, "share of the mean gradient that each step keeps", between(0, 0.999999));
    v("beta2", s.beta2, "share of the mean squared gradient that each step keeps", between(0, 0.99999999));
    v("eps", s.eps, "added to the root of the mean square, after the bias correction", above(0));
    v("weight_decay", s.weight_decay, "strength of the pull to zero, added to the gradient", at_least(0));
  }
};

class Adam final : public Optimizer {
 public:
  explicit Adam(const AdamSettings& settings) : moments_(settings) {}
  void reset(const Layout& layout) override { moments_.reset(layout); }
  void step(const Layout& layout, std::span<float> parameters, std::span<const float> gradient,
            double learning_rate) override {
    moments_.step(layout, parameters, gradient, learning_rate);
  }
  bool is_plain_sgd() const override { return false; }

 private:
  AdamMoments moments_;
};

const Registration<OptimizerRegistry, AdamConfig> kAdam{
    {"adam", "steps scaled by running means of the gradient and of its square",
     "D. P. Kingma, J. Ba, Adam: A Method for Stochastic Optimization, ICLR 2015"},
    [](const AdamConfig& config) { return std::make_unique<Adam>(config.s); }};

}  // namespace

}  // namespace fedloom
