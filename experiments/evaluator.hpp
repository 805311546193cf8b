// Quality of a model on a data set, by all cores. Examples are cut into fixed pieces whose sums are added in
// order, so the figures do not depend on the number of threads.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "datasets/examples.hpp"
#include "models/model.hpp"
#include "server/coordinator.hpp"

namespace fedloom {

class Evaluator {
 public:
  /// threads >= 1.
  Evaluator(std::shared_ptr<const Model> model, std::size_t threads);

  /// Mean loss and accuracy over the view, or over the hidden tokens of its examples, which then are what is
  /// counted as examples; nothing when it is empty. `parameters` in the model's layout.
  /// `predictions`, when not empty, has room for the class of each example.
  std::optional<EvaluationResult> evaluate(std::span<const float> parameters, const ExampleView& view,
                                           std::span<std::int32_t> predictions = {});

 private:
  struct Lane;  // buffers of one thread

  std::shared_ptr<const Model> model_;
  std::vector<std::shared_ptr<Lane>> lanes_;
};

}  // namespace fedloom
