// AdamW. I. Loshchilov, F. Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, Algorithm 2, with
// PyTorch's meaning and defaults: every step first takes the share rate * weight_decay off the weights, so
// that decay does not pass through the moments. The paper's schedule multiplier is the learning rate's.
#include <memory>

#include "models/adam_moments.hpp"
#include "models/optimizer.hpp"

namespace fedloom {

namespace {

struct AdamWConfig {
  AdamSettings s{.weight_decay = 0.01, .decoupled = true};

  template <class Visitor>
  void visit(Visitor& v) {
    v("beta1", s.beta1, "share of the mean gradient that each step keeps", between(0, 0.999999));
    v("beta2", s.beta2, "share of the mean squared gradient that each step keeps", between(0, 0.99999999));
    v("eps", s.eps, "added to the root of the mean square, after the bias correction", above(0));
    v("weight_decay", s.weight_decay, "a step takes learning rate times this off every weight", at_least(0));
  }
};

class AdamW final : public Optimizer {
 public:
  explicit AdamW(const AdamSettings& settings) : moments_(settings) {}
  void reset(const Layout& layout) override { moments_.reset(layout); }
  void step(const Layout& layout, std::span<float> parameters, std::span<const float> gradient,
            double learning_rate) override {
    moments_.step(layout, parameters, gradient, learning_rate);
  }
  bool is_plain_sgd() const override { return false; }

 private:
  AdamMoments moments_;
};

const Registration<OptimizerRegistry, AdamWConfig> kAdamW{
    {"adamw", "Adam whose weight decay acts on the weights and not through the moments",
     "I. Loshchilov, F. Hutter, Decoupled Weight Decay Regularization, ICLR 2019"},
    [](const AdamWConfig& config) { return std::make_unique<AdamW>(config.s); }};

}  // namespace

}  // namespace fedloom
