// A matrix with its bias and adapters inside a larger layer: y = x W^T + b. It works on blocks of rows, so
// that the larger layer can keep what it makes in the cache; gradients of blocks after the first are added.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "models/adapters/lora.hpp"
#include "models/adapters/ssf.hpp"
#include "models/layers/layer.hpp"
#include "models/layers/memory_cursor.hpp"

namespace fedloom {

class LinearPart {
 public:
  LinearPart(std::string name, std::size_t inputs, std::size_t outputs)
      : name_(std::move(name)), inputs_(inputs), outputs_(outputs) {}

  // In the order in which the slices shall lie. Slices NAME.weight (outputs, inputs), NAME.bias (outputs).
  void declare_weight(ParameterPlan& plan);
  void declare_bias(ParameterPlan& plan);
  void declare_adapters(ParameterPlan& plan);

  const std::string& name() const { return name_; }
  std::size_t inputs() const { return inputs_; }
  std::size_t outputs() const { return outputs_; }
  const Held& weight() const { return weight_; }
  const Held& bias() const { return bias_; }
  bool has_lora() const { return lora_.has_value(); }
  /// Whether the output is more than a product plus a bias plus low-rank products, which could be added
  /// anywhere.
  bool has_scale() const { return ssf_.has_value(); }
  /// Whether backward needs x.
  bool needs_input() const { return weight_.trained || lora_; }
  bool trains() const { return weight_.trained || bias_.trained || lora_ || ssf_; }

  /// Weights from N(0, 0.02^2) cut at two deviations, biases zero, adapters at their start.
  void initialize(std::span<float> parameters, Random& random) const;
  double forward_flops() const;  // of one row

  /// Memory of one block of rows; `positions` rows make an example.
  LayerNeeds needs(std::size_t rows, std::size_t positions) const;

  struct Block {
    std::size_t rows;
    LayerStorage storage;     // as needs() says
    bool accumulate = false;  // backward: a block before wrote the gradients
  };
  using Rows = LowRank::Rows;
  /// y := x W^T + b with adapters, (rows, inputs) to (rows, outputs).
  void forward(const ForwardPass& pass, const Block& block, Rows x, float* y, std::size_t y_stride) const;
  /// y += the same; not with has_scale().
  void add_forward(const ForwardPass& pass, const Block& block, Rows x, float* y, std::size_t y_stride) const;
  /// Gradients of everything trained, from dy (overwritten with a scale) and, where needs_input(), x. dx :=
  /// dy W with adapters unless nullptr.
  void backward(const BackwardPass& pass, const Block& block, Rows x, float* dy, std::size_t dy_stride,
                float* dx) const;

  // The same in parts, for callers that multiply several weights at once.
  void observe(const ForwardPass& pass, std::size_t rows, Rows x) const;
  /// What follows y := x W^T + b.
  void adapt(const ForwardPass& pass, const Block& block, Rows x, float* y, std::size_t y_stride) const;
  /// First: dy := what the product sees.
  void backward_scale(const BackwardPass& pass, const Block& block, float* dy, std::size_t dy_stride) const;
  /// Gradients of the bias and, if wanted here, the weight.
  void backward_base(const BackwardPass& pass, const Block& block, Rows x, const float* dy,
                     std::size_t dy_stride, bool weight) const;
  /// Gradients of the factors; dx += their part unless nullptr.
  void backward_lora(const BackwardPass& pass, const Block& block, Rows x, const float* dy,
                     std::size_t dy_stride, float* dx, std::size_t dx_stride) const;

 private:
  float* ssf_kept(const Block& block) const;

  std::string name_;
  std::size_t inputs_;
  std::size_t outputs_;
  Held weight_;
  Held bias_;
  std::optional<LowRank> lora_;
  std::optional<ScaleShift> ssf_;
};

/// The pass for `count` examples from `first` on. Holds the batch that the pass refers to.
struct BackwardBlock {
  BackwardBlock(const BackwardPass& whole, std::size_t first, std::size_t count)
      : batch{whole.batch},
        pass{whole.parameters, batch, whole.gradient,
             whole.square_norms == nullptr ? nullptr : whole.square_norms + first, whole.training} {
    batch.size = count;
  }
  BackwardBlock(const BackwardBlock&) = delete;
  BackwardBlock& operator=(const BackwardBlock&) = delete;

  Batch batch;
  BackwardPass pass;
};

}  // namespace fedloom
