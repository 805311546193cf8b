// Adagrad. J. Duchi, E. Hazan, Y. Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic
// Optimization", JMLR 2011, diagonal form, with PyTorch's meaning and defaults:
//   g = gradient + decay w;   s = s + g^2;   w <- w - rate / (1 + (t - 1) lr_decay) * g / (sqrt(s) + eps)
#include <cmath>
#include <memory>

#include "core/simd.hpp"
#include "models/optimizer.hpp"
#include "models/trained_runs.hpp"

namespace fedloom {

namespace {

struct AdagradConfig {
  double lr_decay = 0.0;
  double initial_accumulator = 0.0;
  double eps = 1e-10;
  double weight_decay = 0.0;

  template <class Visitor>
  void visit(Visitor& v) {
    v("lr_decay", lr_decay, "step t of a task uses lr / (1 + (t - 1) lr_decay)", at_least(0));
    v.alias("initial_accumulator_value", "initial_accumulator");
    v("initial_accumulator", initial_accumulator, "sum of squares before the first step", at_least(0));
    v("eps", eps, "added to the root of the sum of squares", above(0));
    v("weight_decay", weight_decay, "strength of the pull to zero, added to the gradient", at_least(0));
  }
};

FEDLOOM_SIMD_CLONES
void adagrad_step(float* __restrict w, float* __restrict sum, const float* __restrict gradient, float rate,
                  float eps, float decay, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const float g = gradient[i] + decay * w[i];
    sum[i] += g * g;
    w[i] -= rate * (g / (std::sqrt(sum[i]) + eps));
  }
}

class Adagrad final : public Optimizer {
 public:
  explicit Adagrad(const AdagradConfig& config) : config_(config) {}

  void reset(const Layout& layout) override {
    trained_.fit(layout);
    sum_.assign(trained_.size(), static_cast<float>(config_.initial_accumulator));
    steps_ = 0;
  }

  void step(const Layout& layout, std::span<float> parameters, std::span<const float> gradient,
            double learning_rate) override {
    const auto& runs = trained_.of(layout, parameters, gradient);
    const double rate = learning_rate / (1.0 + static_cast<double>(steps_++) * config_.lr_decay);
    std::size_t packed = 0;
    for (const SliceSet::Run& run : runs) {
      adagrad_step(parameters.data() + run.offset, sum_.data() + packed, gradient.data() + run.offset,
                   static_cast<float>(rate), static_cast<float>(config_.eps),
                   static_cast<float>(config_.weight_decay), run.size);
      packed += run.size;
    }
  }

  bool is_plain_sgd() const override { return false; }

 private:
  AdagradConfig config_;
  TrainedRuns trained_;
  FloatBuffer sum_;  // of squared gradients, packed
  std::int64_t steps_ = 0;
};

const Registration<OptimizerRegistry, AdagradConfig> kAdagrad{
    {"adagrad", "steps scaled by the root of the sum of all squared gradients",
     "J. Duchi, E. Hazan, Y. Singer, Adaptive Subgradient Methods for Online Learning and Stochastic "
     "Optimization, JMLR 2011"},
    [](const AdagradConfig& config) { return std::make_unique<Adagrad>(config); }};

}  // namespace

}  // namespace fedloom
