// Low-rank adapters: a frozen weight W (O, I) acts as W + (alpha / rank) B A, where only A (rank, I) and B
// (O, rank) are trained. E. J. Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022,
// equation 3. A layer that multiplies by a matrix owns one of these beside it; merging works on flat vectors.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "core/config.hpp"
#include "models/layers/layer.hpp"

namespace fedloom {

/// Names of the ways in which A may start; B starts at zero, so that training starts at the base model.
/// kaiming_uniform: U(-1/sqrt(I), 1/sqrt(I)); gaussian: N(0, 1/rank^2), both as in the PEFT library.
Bounds lora_initializer_names();

/// The pair of factors of one weight. Slices NAME.lora_A.weight (rank, I) and NAME.lora_B.weight (O, rank).
class LowRank {
 public:
  /// Reads rank, alpha, dropout and initializer from the plan's adaptation. 1 <= rank <= min(I, O), or a
  /// UserError.
  LowRank(const std::string& name, std::size_t inputs, std::size_t outputs, ParameterPlan& plan);

  void initialize(std::span<float> parameters, Random& random) const;
  /// Memory for `rows` rows, as in Layer::needs. `positions` rows make an example.
  LayerNeeds needs(std::size_t rows, std::size_t positions) const;

  /// Rows of a matrix: `stride` floats from one to the next.
  struct Rows {
    const float* data;
    std::size_t stride;
  };
  /// y += scale (x A^T) B^T for `rows` rows; keeps x A^T and, with dropout in training, its mask.
  void forward(const ForwardPass& pass, std::size_t rows, Rows x, float* y, std::size_t y_stride,
               const LayerStorage& storage) const;
  /// Writes dA and dB (adds to them when `accumulate`), adds example norms, and dx += scale (dy B) A unless
  /// dx is nullptr. After forward on the same storage; rows = examples x positions.
  void backward(const BackwardPass& pass, std::size_t positions, Rows x, Rows dy, float* dx,
                std::size_t dx_stride, const LayerStorage& storage, bool accumulate = false) const;
  double forward_flops() const;  // of one row

 private:
  bool drops(bool training) const { return training && dropout_ > 0.0F; }
  std::uint8_t* mask(const LayerStorage& storage, std::size_t rows) const;
  Rows dropped(std::size_t rows, Rows x, const std::uint8_t* mask, float* scratch) const;

  std::size_t inputs_;
  std::size_t outputs_;
  std::size_t rank_;
  float scale_;
  float dropout_;
  bool gaussian_;
  Held a_;
  Held b_;
};

/// Adds `sign` * (alpha / rank) B A to every base weight that has factors in the layout: +1 merges the
/// adapter into the base, -1 takes it out again (up to rounding). The factors stay as they are.
void merge_lora(const Layout& layout, std::span<float> parameters, double alpha, double sign);

}  // namespace fedloom
