// Two passes over the gradient, the second only when it is too long.
#include "models/gradient_clip.hpp"

#include <cmath>

#include "core/error.hpp"
#include "models/elementwise.hpp"

namespace fedloom {

double clip_gradient(const SliceSet& trained, std::span<float> gradient, double max_norm) {
  FEDLOOM_CHECK(max_norm > 0.0, "clipping to a norm of {}", max_norm);
  double square = 0.0;
  for (const SliceSet::Run& run : trained.runs())
    square += square_norm(gradient.data() + run.offset, run.size);
  const double norm = std::sqrt(square);
  const double factor = max_norm / (norm + 1e-6);
  if (!(factor >= 1.0))  // NaN must reach the weights, where it is noticed
    for (const SliceSet::Run& run : trained.runs())
      scale(gradient.data() + run.offset, static_cast<float>(factor), run.size);
  return norm;
}

SliceSet trained_slices(const Layout& layout) {
  return {layout, [](const Slice& slice) { return slice.role == Role::trained; }};
}

}  // namespace fedloom
