// One pass over weights, gradient and both moments for each step. Legend, all per weight:
//   m = beta1 m + (1 - beta1) g        w <- w - rate / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps)
//   v = beta2 v + (1 - beta2) g^2      before it, w <- keep w  with keep = 1 - rate decay  when decoupled
#include "models/adam_moments.hpp"

#include <cmath>

#include "core/simd.hpp"

namespace fedloom {

namespace {

struct Factors {
  float beta1, rest1;  // rest = 1 - beta, taken in double: 1 - 0.999f has only five digits
  float beta2, rest2;
  float root_scale;  // 1 / sqrt(1 - beta2^t)
  float rate;        // learning rate / (1 - beta1^t)
  float eps;
  float decay;  // added to the gradient
  float keep;   // share of a weight that a decoupled decay leaves
};

FEDLOOM_SIMD_CLONES
void adam_step(float* __restrict w, float* __restrict m, float* __restrict v,
               const float* __restrict gradient, Factors f, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const float g = gradient[i] + f.decay * w[i];
    m[i] = f.beta1 * m[i] + f.rest1 * g;
    v[i] = f.beta2 * v[i] + f.rest2 * g * g;
    w[i] = f.keep * w[i] - f.rate * (m[i] / (std::sqrt(v[i]) * f.root_scale + f.eps));
  }
}

}  // namespace

void AdamMoments::reset(const Layout& layout) {
  trained_.fit(layout);
  mean_.assign(trained_.size(), 0.0F);
  square_.assign(trained_.size(), 0.0F);
  steps_ = 0;
}

void AdamMoments::step(const Layout& layout, std::span<float> parameters, std::span<const float> gradient,
                       double learning_rate) {
  const auto& runs = trained_.of(layout, parameters, gradient);
  const auto t = static_cast<double>(++steps_);
  const Factors factors{
      .beta1 = static_cast<float>(settings_.beta1),
      .rest1 = static_cast<float>(1.0 - settings_.beta1),
      .beta2 = static_cast<float>(settings_.beta2),
      .rest2 = static_cast<float>(1.0 - settings_.beta2),
      .root_scale = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(settings_.beta2, t))),
      .rate = static_cast<float>(learning_rate / (1.0 - std::pow(settings_.beta1, t))),
      .eps = static_cast<float>(settings_.eps),
      .decay = settings_.decoupled ? 0.0F : static_cast<float>(settings_.weight_decay),
      .keep = settings_.decoupled ? static_cast<float>(1.0 - learning_rate * settings_.weight_decay) : 1.0F};
  std::size_t packed = 0;
  for (const SliceSet::Run& run : runs) {
    adam_step(parameters.data() + run.offset, mean_.data() + packed, square_.data() + packed,
              gradient.data() + run.offset, factors, run.size);
    packed += run.size;
  }
}

}  // namespace fedloom
