// The first rounds of an experiment without any training: the coordinator and the strategy are the real ones,
// and every task is answered at once by an update of the right size that says next to nothing. What is known
// afterwards is what every task would be charged, whatever the strategy sends: factors of several ranks,
// patches of the model, one half of it in every second round.
#pragma once

#include <cstdint>
#include <vector>

#include "experiments/components.hpp"

namespace fedloom {

struct RehearsedRound {
  std::uint64_t tasks = 0;
  std::uint64_t bytes_down = 0;  // of all tasks, but for the initial model that clients start from
  std::uint64_t bytes_up = 0;
  std::uint64_t newcomers = 0;  // clients that had no task before
};

/// At most `rounds` rounds from the model `initial` (floats of the model's layout), fewer where the
/// experiment has fewer or nobody is left to be asked. Of a pacer whose windows overlap, one "round" with the
/// tasks that are started first. Data that comes in stages is taken as one stage. Throws UserError as the run
/// would.
std::vector<RehearsedRound> rehearse(const ExperimentConfig& config, const Components& parts,
                                     std::span<const float> initial, std::uint64_t rounds);

}  // namespace fedloom
