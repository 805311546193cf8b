// Scale-and-shift adapters: the output z of a frozen layer becomes scale * z + shift, feature by feature. D.
// Lian, D. Zhou, J. Feng, X. Wang, "Scaling & Shifting Your Features: A New Baseline for Efficient Model
// Tuning", NeurIPS 2022, equation 4. Afterwards both can be merged into the layer's weight and bias.
#pragma once

#include <span>
#include <string>

#include "models/layers/layer.hpp"

namespace fedloom {

/// The pair of vectors behind one layer, starting at one and zero. Slices NAME.ssf_scale and NAME.ssf_shift
/// (features). Layers that run several steps as one own one of these; others append ssf_adapter() below.
class ScaleShift {
 public:
  /// A feature is `inner` neighbouring values: 1 for rows of features, height x width for channels of an
  /// image.
  ScaleShift(const std::string& name, std::size_t features, std::size_t inner, ParameterPlan& plan);

  void initialize(std::span<float> parameters) const;
  /// Floats of kept memory for `rows` rows, and of scratch in backward.
  std::size_t kept_floats(std::size_t rows) const { return rows * features_ * inner_; }
  std::size_t scratch_floats() const { return 2 * features_; }

  /// y := scale * y + shift in place for rows `stride` floats apart; kept := y before.
  void forward(const ForwardPass& pass, std::size_t rows, float* y, std::size_t stride, float* kept) const;
  /// y := scale * z + shift for rows `stride` floats apart; nothing is kept, so the caller must have z in
  /// backward.
  void apply_rows(const float* parameters, std::size_t rows, const float* z, std::size_t stride,
                  float* y) const;
  /// dy := scale * dy in place, after the gradients of scale and shift were written (added when `accumulate`)
  /// and example norms added. rows = examples x positions.
  void backward(const BackwardPass& pass, std::size_t positions, float* dy, std::size_t stride,
                const float* kept, bool accumulate, float* scratch) const;

 private:
  std::size_t features_;
  std::size_t inner_;
  Held scale_;
  Held shift_;
};

/// The adapter of the layer called `name`, to stand behind it; nothing at all where the model's adaptation
/// does not target that layer. Features are the last dimension of a sequence or row, the first of an image.
LayerRecipe ssf_adapter(std::string name);

/// W := diag(scale) W and b := scale * b + shift for every layer with such an adapter, or the reverse when
/// `take_out` (scales must not be zero). The adapters' own slices stay as they are. Throws UserError when a
/// layer has no bias that could take the shift.
void merge_ssf(const Layout& layout, std::span<float> parameters, bool take_out = false);

}  // namespace fedloom
