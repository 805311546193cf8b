// The section `train.schedule:` of an experiment file. What the shapes mean is core/schedule.hpp; here are
// the keys, named as PyTorch's schedulers name them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/config.hpp"
#include "core/schedule.hpp"

namespace fedloom {

struct ScheduleConfig {
  std::string name = "constant";
  std::string unit = "round";
  std::int64_t warmup = 0;
  std::optional<std::int64_t> every;
  std::optional<double> gamma;
  std::optional<double> min_lr;

  template <class Visitor>
  void visit(Visitor& v) {
    v("name", name,
      "how lr goes over time: constant; step: times gamma after `every` rounds or steps; cosine: half a "
      "cosine down to min_lr over all of them",
      one_of({"constant", "step", "cosine"}));
    v("unit", unit,
      "round: one rate for all steps of a round, over the rounds of the experiment; step: over the steps of "
      "each task, which starts anew",
      one_of({"round", "step"}));
    v("warmup", warmup,
      "first rise in a line for so many rounds or steps (the first has lr / (warmup + 1)); the shape counts "
      "from there",
      between(0, 1e12));
    v.alias("step_size", "every");
    v("every", every, "step: rounds or steps between two falls", between(1, 1e12));
    v("gamma", gamma, "step: factor of a fall; left out: 0.1", Bounds{0.0, 1.0, true});
    v.alias("eta_min", "min_lr");
    v("min_lr", min_lr, "cosine: the rate it ends at; left out: 0", at_least(0));
  }

  /// Whether the number of rounds decides the rates.
  bool depends_on_rounds() const { return name == "cosine" && unit == "round"; }
};

/// Throws UserError when keys, shape and the experiment's learning rate do not fit each other.
Schedule to_schedule(const ScheduleConfig& config, double learning_rate);

}  // namespace fedloom
