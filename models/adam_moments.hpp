// The running moments that Adam and AdamW share, and their step. The two differ only in where weight decay
// enters: into the gradient (Adam) or straight into the weights (AdamW).
#pragma once

#include <cstdint>
#include <span>

#include "core/layout.hpp"
#include "core/tensor.hpp"
#include "models/trained_runs.hpp"

namespace fedloom {

struct AdamSettings {
  double beta1 = 0.9;         // [0, 1): share of the mean gradient that is kept
  double beta2 = 0.999;       // [0, 1): share of the mean square that is kept
  double eps = 1e-8;          // > 0, added to the root after its bias correction
  double weight_decay = 0.0;  // >= 0
  bool decoupled = false;     // decay acts on the weights, not through the moments
};

class AdamMoments {
 public:
  explicit AdamMoments(const AdamSettings& settings) : settings_(settings) {}

  /// Moments and step count to zero; allocates only for a layout of another size.
  void reset(const Layout& layout);
  /// One step in place on the trained slices; vectors of layout.size() floats.
  void step(const Layout& layout, std::span<float> parameters, std::span<const float> gradient,
            double learning_rate);

 private:
  AdamSettings settings_;
  TrainedRuns trained_;
  FloatBuffer mean_;    // running mean of the gradient, packed
  FloatBuffer square_;  // running mean of its square, packed
  std::int64_t steps_ = 0;
};

}  // namespace fedloom
