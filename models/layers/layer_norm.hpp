// Layer normalisation of every position: mean 0 and variance 1 over its features, then a learned scale and
// shift. J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer Normalization", arXiv:1607.06450, 2016.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "models/adapters/ssf.hpp"
#include "models/layers/layer.hpp"
#include "models/layers/linear_part.hpp"

namespace fedloom {

/// The normalisation inside a larger layer, in blocks of rows as LinearPart. Slices NAME.weight and NAME.bias
/// (features), starting at one and zero; epsilon 1e-5.
class NormPart {
 public:
  NormPart(const std::string& name, std::size_t features, ParameterPlan& plan);

  bool trains() const { return scale_.trained || shift_.trained || ssf_; }
  void initialize(std::span<float> parameters) const;
  LayerNeeds needs(std::size_t rows) const;

  /// y := norm(x), both (rows, features) without gaps.
  void forward(const ForwardPass& pass, const LinearPart::Block& block, const float* x, float* y) const;
  /// The same y again, after forward.
  void repeat(const float* parameters, const LinearPart::Block& block, const float* x, float* y) const;
  /// Gradients of what is trained from dy, which may be overwritten, and dx unless nullptr.
  void backward(const BackwardPass& pass, const LinearPart::Block& block, const float* x, float* dy,
                float* dx) const;

 private:
  float* moments(const LinearPart::Block& block) const;
  float* ssf_kept(const LinearPart::Block& block) const;

  std::size_t features_;
  Held scale_;
  Held shift_;
  std::optional<ScaleShift> ssf_;
};

/// The normalisation as a layer, over the last dimension of (features) or (positions, features).
LayerRecipe layer_norm(std::string name);

}  // namespace fedloom
