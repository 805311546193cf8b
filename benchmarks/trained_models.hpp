// The models whose training is measured, under the names that the PyTorch side uses, and what one step of
// each costs in arithmetic. Shared by nothing but train_step; networks themselves are models/zoo.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/model.hpp"

namespace fedloom::benchmarks {

/// Multiply-adds of one example's step in linear maps: forward, and the gradients that are really computed.
/// Normalisation, activations and pooling are not counted.
struct Work {
  double forward = 0.0;
  double weight_gradients = 0.0;
  double input_gradients = 0.0;

  double flops() const { return 2.0 * (forward + weight_gradients + input_gradients); }
};

struct TrainedModel {
  std::string name;
  DataSpec data;
  std::size_t parameters = 0;  // all, as PyTorch counts them
  std::size_t trainable = 0;
  Work work;
  std::unique_ptr<const Model> model = nullptr;
};

std::vector<std::string> trained_model_names();

/// Builds it and checks its parameters and forward pass against the figures here, so that a model that has
/// changed is not compared with one that has not. `name` is one of trained_model_names().
TrainedModel trained_model(const std::string& name);

}  // namespace fedloom::benchmarks
