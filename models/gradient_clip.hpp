// Clipping of a whole gradient by its norm. R. Pascanu, T. Mikolov, Y. Bengio, "On the difficulty of training
// recurrent neural networks", ICML 2013; meaning as PyTorch's clip_grad_norm_. Not the clipping of single
// examples that differential privacy needs (algorithms/batch_gradient.hpp).
#pragma once

#include <span>

#include "core/layout.hpp"

namespace fedloom {

/// Scales the trained runs of `gradient` in place by min(1, max_norm / (norm + 1e-6)), where norm is their L2
/// norm taken together, which is returned. max_norm > 0. A gradient that is not finite becomes NaN.
double clip_gradient(const SliceSet& trained, std::span<float> gradient, double max_norm);

/// The slices an optimizer steps, for clip_gradient.
SliceSet trained_slices(const Layout& layout);

}  // namespace fedloom
