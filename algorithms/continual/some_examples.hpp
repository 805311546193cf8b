// The examples of a client that a method looks at once more after training: all, or a keyed draw of so many.
// Not the order of training, which is local_training.cpp's.
#pragma once

#include <cstdint>
#include <vector>

#include "algorithms/local_objective.hpp"

namespace fedloom {

/// Positions in run.data, ascending; `most` 0: all. The draw is the task's, the same whenever it is asked
/// for.
std::vector<std::uint32_t> some_examples(const TaskRun& run, std::uint64_t most);

}  // namespace fedloom
