// Layers that run one after the other, as one layer: the body of every model and of the branches inside
// residual blocks. It plans where the activations between its layers lie, and leaves out the backward pass
// below the first layer that is trained.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "models/layers/layer.hpp"

namespace fedloom {

class Chain final : public Layer {
 public:
  /// Builds the layers in order. Throws UserError when one does not fit what reaches it.
  Chain(std::string name, const Shape& input, const std::vector<LayerRecipe>& recipes, ParameterPlan& plan);

  /// True when no layer computes anything: the chain is the identity under another shape.
  bool is_view() const override { return layers_.empty(); }
  std::string mixing_layer() const override;
  LayerNeeds needs(std::size_t max_batch) const override;
  void initialize(std::span<float> parameters, Random& random) const override;
  double forward_flops() const override;
  /// Layer by layer, each as soon as nothing needs its old values.
  bool steps(std::size_t /*batch*/) const override { return true; }
  void forward(const ForwardPass& pass, const float* input, float* output,
               const LayerStorage& storage) const override;
  void backward(const BackwardPass& pass, const float* input, const float* output, float* output_gradient,
                float* input_gradient, const LayerStorage& storage) const override;

  std::size_t size() const { return layers_.size(); }
  const Layer& layer(std::size_t i) const { return *layers_[i]; }
  /// Where layer i's output lies after forward; not for the last, whose output is the chain's.
  const float* output_of(std::size_t i, const LayerStorage& storage) const;

 private:
  static constexpr std::size_t kNone = SIZE_MAX;
  struct Built {
    std::vector<std::unique_ptr<Layer>> layers;
    std::vector<std::vector<Held>> trained;
    Shape output;
    std::size_t first_trained = kNone;
  };
  static Built build(const Shape& input, const std::vector<LayerRecipe>& recipes, ParameterPlan& plan);
  Chain(std::string name, const Shape& input, Built built);

  /// Bytes of layer i's output in kept memory; none for the last.
  std::size_t output_bytes(std::size_t i, std::size_t max_batch) const;
  /// Floats of the widest gradient between layers.
  std::size_t gradient_floats(std::size_t max_batch) const;
  /// Layer i - 1's output, given where layer i's own memory starts.
  const float* output_of_below(std::size_t i, const std::uint8_t* end, const LayerStorage& storage) const;

  /// Layer i's backward, and its step when there is a descent.
  void backward_layer(std::size_t i, const BackwardPass& pass, const float* input, const float* output,
                      float* output_gradient, float* input_gradient, const LayerStorage& storage) const;

  std::vector<std::unique_ptr<Layer>> layers_;
  std::vector<std::vector<Held>> trained_;  // slices of each layer
  std::size_t first_trained_;               // layers below have nothing to train; kNone: no layer has
};

/// The chain as a recipe.
LayerRecipe chain(std::string name, std::vector<LayerRecipe> layers);

}  // namespace fedloom
