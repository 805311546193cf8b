// The one shape every trainable model has. A model is const and holds no parameters: it reads a flat
// vector through its layout and keeps activations in a workspace that belongs to one thread. Forward and
// backward are separate calls, so that a loss hook, an observer of layer inputs, input gradients and
// per-example norms fit between them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/data_spec.hpp"
#include "core/layout.hpp"
#include "core/random.hpp"
#include "core/registry.hpp"
#include "models/adapters/adaptation.hpp"

namespace fedloom {

/// A target that counts neither in the loss nor in the accuracy.
inline constexpr std::int32_t kNoTarget = -1;

/// A view of B examples. Exactly one of features (B, width) and tokens (B, length) is set. An example has one
/// target, its label, or the tokens at K of its positions (DataSpec::predictions).
struct Batch {
  std::size_t size = 0;                   // B
  const float* features = nullptr;        // (B, width), row-major
  const std::int32_t* tokens = nullptr;   // (B, length)
  const std::uint8_t* mask = nullptr;     // (B, length), 1 = real token; nullptr = all real
  const std::int32_t* targets = nullptr;  // (B, targets_each), in [0, classes); of several also kNoTarget
  const std::int32_t* places = nullptr;   // (B, targets_each): positions of the targets, where they have any
  std::size_t targets_each = 1;           // K

  std::span<const std::int32_t> labels() const { return {targets, size * targets_each}; }
  /// Targets that count: B where each example has one.
  std::size_t judged() const { return places == nullptr ? size : judged_of(labels()); }
  /// Those of example i.
  std::size_t judged(std::size_t i) const {
    return places == nullptr ? 1 : judged_of(labels().subspan(i * targets_each, targets_each));
  }

 private:
  static std::size_t judged_of(std::span<const std::int32_t> all) {
    return all.size() - static_cast<std::size_t>(std::count(all.begin(), all.end(), kNoTarget));
  }
};

/// Sees the input of a named layer during forward: `rows` x `width`, row-major. For convolutions the
/// rows are im2col patches in (channel, kernel row, kernel column) order, given image by image in several
/// calls. Used by subspace methods.
class LayerObserver {
 public:
  virtual ~LayerObserver() = default;
  virtual void layer_input(std::string_view layer, std::span<const float> values, std::size_t rows,
                           std::size_t width) = 0;
};

struct ForwardOptions {
  bool training = false;              // dropout on, batch statistics used
  Random* random = nullptr;           // dropout masks; needed when training a model with dropout
  LayerObserver* observer = nullptr;  // may be null
  /// Whole flat vector, may be the parameters themselves: when training, layers with running statistics
  /// write their new values here. Empty: statistics stay as they are.
  std::span<float> statistics = {};
};

struct BackwardOptions {
  std::span<float> input_gradient = {};         // (B, width) when wanted
  std::span<const float> example_weights = {};  // (B): scales each example's contribution
  std::span<double> example_square_norms = {};  // (B): |gradient of example i|^2, weighted as above
};

/// Activations and scratch of one thread for at most `max_batch` examples. Models derive their own.
class Workspace {
 public:
  explicit Workspace(std::size_t max_batch) : max_batch_(max_batch) {}
  virtual ~Workspace() = default;
  std::size_t max_batch() const { return max_batch_; }

 private:
  std::size_t max_batch_;
};

class Model {
 public:
  virtual ~Model() = default;

  virtual const std::shared_ptr<const Layout>& layout() const = 0;
  /// Number of logits per example: classes, or for each of its predictions the whole vocabulary.
  virtual std::size_t outputs() const = 0;
  /// Fills the whole vector (layout().size() floats).
  virtual void initialize(std::span<float> parameters, Random& random) const = 0;
  virtual std::unique_ptr<Workspace> workspace(std::size_t max_batch) const = 0;

  /// Logits (B, outputs), valid in the workspace until its next forward. batch.size <= max_batch.
  virtual std::span<const float> forward(std::span<const float> parameters, const Batch& batch,
                                         Workspace& workspace, const ForwardOptions& options) const = 0;
  /// The last hidden representation of the latest forward, (B, feature_width); empty when the model has
  /// no hidden layer. Contrastive and prototype losses use it.
  virtual std::span<const float> features(const Workspace& workspace) const = 0;
  virtual std::size_t feature_width() const = 0;
  /// After forward on the same workspace: gradient := SUM over examples of d loss / d parameters, given
  /// logit_gradient (B, outputs) of the summed loss. `gradient` has layout().size() floats; slices that
  /// are not trained are left zero. It may be empty when only the options' outputs are wanted.
  virtual void backward(std::span<const float> parameters, const Batch& batch, Workspace& workspace,
                        std::span<const float> logit_gradient, std::span<float> gradient,
                        const BackwardOptions& options) const = 0;
  /// Name of a layer that mixes the examples of a batch in training, as batch normalisation does, "" for
  /// none. Where one does, gradients of single examples (example_square_norms, example_weights) mean nothing.
  virtual std::string mixing_layer() const { return {}; }
  /// Plain SGD in one call after forward: parameters -= rate * gradient on trained slices, the same bits as
  /// backward and then an optimizer that is plain SGD, but without going through memory twice where a layer
  /// can. `scratch` has layout().size() floats, undefined afterwards, as is the workspace until its next
  /// forward.
  virtual void descend(std::span<float> parameters, const Batch& batch, Workspace& workspace,
                       std::span<const float> logit_gradient, std::span<float> scratch, float rate) const;
  /// Multiply-adds times two of one example's forward pass; backward is counted as twice that.
  virtual double forward_flops() const = 0;
};

/// What a model is built for: the form of the data, and whether it is trained whole or adapted.
struct ModelContext {
  ModelContext(DataSpec form, Adaptation how = {})  // NOLINT: a data set alone is a context
      : data(std::move(form)), adaptation(std::move(how)) {}

  DataSpec data;
  Adaptation adaptation;
};

/// Settings from YAML plus the context give a model. Throws UserError when they do not fit.
using ModelRegistry = Registry<std::unique_ptr<Model>, const ModelContext&>;

}  // namespace fedloom
