// One step of a model: values (B, input_width) to values (B, output_width), and back. A layer is const and
// holds only its form and where its slices lie in the flat vector; activations and scratch belong to the
// workspace. Not a graph: models/sequential.hpp runs layers in order, and a block may run layers of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/layout.hpp"
#include "models/model.hpp"
#include "models/parameter_plan.hpp"

namespace fedloom {

/// Form of one example between layers: (channels, height, width), (positions, features) of a sequence, or
/// (features). Token sequences have shape (positions); their layer reads Batch::tokens.
using Shape = std::vector<std::int64_t>;

/// What a layer needs of a workspace: memory kept from forward to backward, and scratch shared by all layers.
struct LayerNeeds {
  std::size_t kept_bytes = 0;
  std::size_t scratch_floats = 0;
};

struct LayerStorage {
  std::uint8_t* kept;  // 64-byte aligned, as is scratch
  float* scratch;
  std::size_t max_batch;  // what both were sized for
};

/// The same for every layer of one call.
struct ForwardPass {
  const float* parameters;  // the whole flat vector
  const Batch& batch;
  const ForwardOptions& options;

  /// Where a layer writes new values of its statistic slices (whole flat vector), or nullptr: do not.
  float* statistics() const {
    return options.training && !options.statistics.empty() ? options.statistics.data() : nullptr;
  }
};

/// Plain SGD joined with backward: parameters -= rate * gradient, slice by slice.
struct Descent {
  float* parameters;  // the whole flat vector, the one that forward read
  float rate;
};

struct BackwardPass {
  const float* parameters;
  const Batch& batch;
  float* gradient;       // the whole flat vector, or nullptr when no sum is wanted
  double* square_norms;  // (B), or nullptr: layers add each example's |gradient of their trained slices|^2
  bool training;         // as it was in forward
  /// Seen only by layers that take steps(); then `gradient` is scratch and there are no square norms.
  const Descent* descent = nullptr;
};

class Layer {
 public:
  Layer(std::string name, Shape input, Shape output);
  virtual ~Layer() = default;
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  const std::string& name() const { return name_; }
  const Shape& input_shape() const { return input_; }
  const Shape& output_shape() const { return output_; }
  std::size_t input_width() const { return element_count(input_); }
  std::size_t output_width() const { return element_count(output_); }

  /// Whether the output is the input under another shape; such a layer is never run.
  virtual bool is_view() const { return false; }
  /// Name of the first layer in here that mixes the examples of a batch when it trains, "" for none: below it
  /// no gradient belongs to a single example.
  virtual std::string mixing_layer() const;
  virtual LayerNeeds needs(std::size_t max_batch) const;
  /// Fills this layer's slices of the flat vector.
  virtual void initialize(std::span<float> parameters, Random& random) const;
  /// Multiply-adds times two of one example's forward pass.
  virtual double forward_flops() const { return 0.0; }
  /// Whether backward of this many examples steps the layer's slices itself when it is given a descent; the
  /// result must be the bits of `gradient` followed by add_scaled. Others are stepped after their backward.
  virtual bool steps(std::size_t /*batch*/) const { return false; }

  /// output (B, output_width) := this layer of input (B, input_width). Neither is touched beyond its end.
  virtual void forward(const ForwardPass& pass, const float* input, float* output,
                       const LayerStorage& storage) const = 0;
  /// After forward with the same input and output. `output_gradient` may be overwritten. Writes (not adds)
  /// the gradient of this layer's trained slices, summed over examples, and input_gradient unless it is
  /// nullptr; it writes no gradient of slices that are not trained.
  virtual void backward(const BackwardPass& pass, const float* input, const float* output,
                        float* output_gradient, float* input_gradient, const LayerStorage& storage) const = 0;

 private:
  std::string name_;
  Shape input_;
  Shape output_;
};

/// A layer to be: given the shape that reaches it, it declares its slices and builds itself. Throws UserError
/// when the shape does not fit.
using LayerRecipe = std::function<std::unique_ptr<Layer>(const Shape& input, ParameterPlan& plan)>;

/// Bytes rounded up to whole cache lines, and floats to as many.
constexpr std::size_t aligned_bytes(std::size_t bytes) { return (bytes + 63) / 64 * 64; }
constexpr std::size_t aligned_floats(std::size_t floats) { return (floats + 15) / 16 * 16; }

/// "(3, 32, 32)", for messages.
std::string to_string(const Shape& shape);

}  // namespace fedloom
