// The local world of a quadratic federation under any registered algorithm.
#pragma once

#include <memory>
#include <string>

#include "client/local_trainer.hpp"
#include "tests/support/by_hand.hpp"
#include "tests/support/quadratic_data.hpp"

namespace fedloom::testing {

/// Data is `QuadraticFederation(parameters, sizes)`, kept state is in memory, clients descend plainly.
inline std::shared_ptr<LocalWorld> quadratic_world(const std::string& algorithm, const std::string& settings,
                                                   std::size_t parameters,
                                                   const std::vector<std::size_t>& sizes) {
  auto world = std::make_shared<LocalWorld>();
  Algorithm made = make_algorithm(algorithm, settings);
  world->model = std::make_shared<QuadraticModel>(parameters);
  world->strategy = std::move(made.strategy);
  world->objective = std::move(made.objective);
  world->data = std::make_shared<QuadraticFederation>(parameters, sizes);
  world->store = std::make_shared<MemoryClientStore>();
  world->make_optimizer = [] { return std::make_unique<PlainDescent>(); };
  world->initial = FloatBuffer(parameters, 0.25F);
  world->seed = 1;
  return world;
}

}  // namespace fedloom::testing
