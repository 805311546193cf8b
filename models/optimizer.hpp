// Local optimizers on the flat vector. Only trained slices are stepped. State lives in the optimizer
// object, which belongs to one thread and is reset at each local training.
#pragma once

#include <memory>
#include <span>

#include "core/layout.hpp"
#include "core/registry.hpp"

namespace fedloom {

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// Forget momentum and step count; buffers are kept for the next task of the same layout.
  virtual void reset(const Layout& layout) = 0;
  /// One step in place. `gradient` is the mean over the batch, same length as `parameters`.
  /// `learning_rate` is > 0 and already includes any schedule.
  virtual void step(const Layout& layout, std::span<float> parameters, std::span<const float> gradient,
                    double learning_rate) = 0;
  /// Whether a step is exactly parameters -= learning_rate * gradient (no momentum, no decay): what
  /// SCAFFOLD's option II and FedDyn assume.
  virtual bool is_plain_sgd() const = 0;
};

using OptimizerRegistry = Registry<std::unique_ptr<Optimizer>>;

}  // namespace fedloom
