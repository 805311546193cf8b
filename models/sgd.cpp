// Stochastic gradient descent with momentum, Nesterov's variant and weight decay (decay added to the
// gradient, as in PyTorch; momentum without dampening):
//   g = gradient + decay * w;   v = momentum * v + g;   w -= rate * v   (Nesterov: w -= rate * (g + momentum
//   * v))
// Sutskever, Martens, Dahl, Hinton, "On the importance of initialization and momentum in deep learning", ICML
// 2013.
#include <algorithm>

#include "core/error.hpp"
#include "core/simd.hpp"
#include "models/elementwise.hpp"
#include "models/optimizer.hpp"

namespace fedloom {

namespace {

struct SgdSettings {
  double momentum = 0.0;
  bool nesterov = false;
  double weight_decay = 0.0;

  template <class Visitor>
  void visit(Visitor& v) {
    v("momentum", momentum, "share of the last step that is kept; 0 is plain SGD", between(0, 1));
    v("nesterov", nesterov, "look ahead along the momentum (needs momentum > 0)");
    v("weight_decay", weight_decay, "strength of the pull to zero, added to the gradient", at_least(0));
  }
};

struct Rates {
  float learning;
  float momentum;
  float decay;
};

FEDLOOM_SIMD_CLONES
void step_with_decay(float* __restrict w, const float* __restrict gradient, Rates rates, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) w[i] -= rates.learning * (gradient[i] + rates.decay * w[i]);
}

FEDLOOM_SIMD_CLONES
void step_with_momentum(float* __restrict w, float* __restrict v, const float* __restrict gradient,
                        Rates rates, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    v[i] = rates.momentum * v[i] + (gradient[i] + rates.decay * w[i]);
    w[i] -= rates.learning * v[i];
  }
}

FEDLOOM_SIMD_CLONES
void step_with_nesterov(float* __restrict w, float* __restrict v, const float* __restrict gradient,
                        Rates rates, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const float g = gradient[i] + rates.decay * w[i];
    v[i] = rates.momentum * v[i] + g;
    w[i] -= rates.learning * (g + rates.momentum * v[i]);
  }
}

class Sgd final : public Optimizer {
 public:
  explicit Sgd(const SgdSettings& settings) : settings_(settings) {
    if (settings_.nesterov && settings_.momentum == 0.0)
      throw user_error("optimizer sgd: nesterov is on but momentum is 0; give a momentum such as 0.9");
  }

  void reset(const Layout& layout) override {
    if (layout.fingerprint() != fingerprint_) {
      trained_ = SliceSet(layout, [](const Slice& slice) { return slice.role == Role::trained; });
      fingerprint_ = layout.fingerprint();
    }
    if (settings_.momentum != 0.0) velocity_.assign(layout.size(), 0.0F);
  }

  void step(const Layout& layout, std::span<float> parameters, std::span<const float> gradient,
            double learning_rate) override {
    FEDLOOM_CHECK(layout.fingerprint() == fingerprint_, "a step without reset() for this layout");
    FEDLOOM_CHECK(parameters.size() == layout.size() && gradient.size() == layout.size(),
                  "{} parameters and a gradient of {} for a layout of {}", parameters.size(), gradient.size(),
                  layout.size());
    const Rates rates{static_cast<float>(learning_rate), static_cast<float>(settings_.momentum),
                      static_cast<float>(settings_.weight_decay)};
    for (const SliceSet::Run& run : trained_.runs()) {
      float* w = parameters.data() + run.offset;
      const float* g = gradient.data() + run.offset;
      if (is_plain_sgd())
        add_scaled(w, g, -rates.learning, run.size);
      else if (settings_.momentum == 0.0)
        step_with_decay(w, g, rates, run.size);
      else if (settings_.nesterov)
        step_with_nesterov(w, velocity_.data() + run.offset, g, rates, run.size);
      else
        step_with_momentum(w, velocity_.data() + run.offset, g, rates, run.size);
    }
  }

  bool is_plain_sgd() const override { return settings_.momentum == 0.0 && settings_.weight_decay == 0.0; }

 private:
  SgdSettings settings_;
  SliceSet trained_;
  std::uint64_t fingerprint_ = 0;
  FloatBuffer velocity_;  // empty without momentum
};

const Registration<OptimizerRegistry, SgdSettings> kSgd{
    {"sgd", "stochastic gradient descent with momentum, Nesterov's variant and weight decay",
     "H. Robbins, S. Monro, A Stochastic Approximation Method, Annals of Mathematical Statistics, 1951"},
    [](const SgdSettings& settings) { return std::make_unique<Sgd>(settings); }};

}  // namespace

}  // namespace fedloom
