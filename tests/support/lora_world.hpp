// The local world of a small federation that trains LoRA factors under any strategy for them: two dense
// layers with factors and a head, on the rows of a quadratic federation (quadratic_data.hpp), whose labels
// are all 0.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "client/local_trainer.hpp"
#include "models/layers/dense.hpp"
#include "models/sequential.hpp"
#include "tests/support/by_hand.hpp"
#include "tests/support/quadratic_data.hpp"

namespace fedloom::testing {

inline constexpr std::int64_t kLoraRank = 3;
inline constexpr double kLoraAlpha = 6.0;

inline std::shared_ptr<const Model> small_lora_model(const DataSpec& spec, const ModelVariant& variant = {}) {
  Adaptation how{.method = Adaptation::Method::lora,
                 .targets = {"fc*"},
                 .train = {"head"},
                 .rank = kLoraRank,
                 .alpha = kLoraAlpha};
  how.frozen = variant.frozen;
  if (variant.rank > 0) {
    how.rank = variant.rank;
    how.alpha = variant.alpha;
  }
  return sequential({spec, how}, {dense("fc1", {.outputs = 6, .relu = true}),
                                  dense("fc2", {.outputs = 5, .relu = true}), dense("head", {.outputs = 2})});
}

/// Kept state is in memory, clients follow plain SGD.
inline std::shared_ptr<LocalWorld> small_lora_world(const std::string& algorithm, const std::string& settings,
                                                    const std::vector<std::size_t>& sizes) {
  auto world = std::make_shared<LocalWorld>();
  Algorithm made = make_algorithm(algorithm, settings);
  world->data = std::make_shared<QuadraticFederation>(6, sizes);
  const DataSpec spec = world->data->spec();
  world->model = small_lora_model(spec);
  world->make_variant = [spec](const ModelVariant& variant) { return small_lora_model(spec, variant); };
  world->strategy = std::move(made.strategy);
  world->objective = std::move(made.objective);
  world->store = std::make_shared<MemoryClientStore>();
  world->make_optimizer = [] {
    return OptimizerRegistry::instance().find("sgd", "optimizer").make(ConfigNode());
  };
  world->initial.resize(world->model->layout()->size());
  Random random(1, Stream::init);
  world->model->initialize(world->initial, random);
  world->seed = 1;
  return world;
}

}  // namespace fedloom::testing
