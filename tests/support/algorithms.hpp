// The registry's algorithms for suites that run all of them: those that work on any model, and what an
// experiment needs for those that work on LoRA factors.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "algorithms/algorithm.hpp"

namespace fedloom::testing {

inline bool needs_lora(const std::string& algorithm) {
  return AlgorithmRegistry::instance()
      .find(algorithm, "strategy")
      .make(ConfigNode())
      .strategy->traits()
      .needs_lora;
}

inline std::vector<std::string> algorithms_of_any_model() {
  std::vector<std::string> names = AlgorithmRegistry::instance().names();
  std::erase_if(names, needs_lora);
  return names;
}

}  // namespace fedloom::testing
