// Registration of an algorithm: its two halves under one name. Both read the same settings.
// Not a base class: the halves share settings and a name, nothing else.
#pragma once

#include <memory>
#include <utility>

#include "algorithms/local_objective.hpp"
#include "algorithms/local_training.hpp"
#include "algorithms/strategy.hpp"
#include "core/registry.hpp"

namespace fedloom {

/// The halves may live in different processes; they meet only through messages.
struct Algorithm {
  std::unique_ptr<Strategy> strategy;
  std::unique_ptr<LocalObjective> objective;
};

using AlgorithmRegistry = Registry<Algorithm>;

/// `const RegisterAlgorithm<Config, FedProx, ProximalObjective> kFedProx{{"fedprox", "…", "…"}};`
/// Each half is constructed from the config, or by default when it takes none.
template <class Config, class StrategyType, class ObjectiveType = LocalObjective>
struct RegisterAlgorithm : Registration<AlgorithmRegistry, Config> {
  explicit RegisterAlgorithm(About about)
      : Registration<AlgorithmRegistry, Config>(std::move(about), [](const Config& config) {
          return Algorithm{make<StrategyType>(config), make<ObjectiveType>(config)};
        }) {}

 private:
  template <class Half>
  static std::unique_ptr<Half> make(const Config& config) {
    if constexpr (std::is_constructible_v<Half, const Config&>)
      return std::make_unique<Half>(config);
    else
      return std::make_unique<Half>();
  }
};

}  // namespace fedloom
