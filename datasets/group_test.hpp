// The test set by natural groups (domains, people): which client is evaluated on which part of it. It knows
// groups and who trains on them, neither models nor when they are evaluated.
#pragma once

#include <cstdint>

#include "datasets/examples.hpp"
#include "datasets/partitioner.hpp"

namespace fedloom {

/// For each client the places in the store of `tested`, the test or the validation set of `split`, of its own
/// examples: those of every group are shuffled (keyed by `seed` and the group) and dealt evenly to the
/// clients who train on that group, so that each is somebody's once and the mean over clients is that over
/// groups where these have equally many clients (up to one example each). `partition` holds positions in
/// split.train_indices. Examples of groups that nobody trains on are nobody's. Throws UserError when the data
/// has no groups, tests on another file, whose group numbers are its own, or leaves a client without one.
Partition deal_by_group(const SplitExamples& split, const ExampleView& tested, const Partition& partition,
                        std::uint64_t seed);

}  // namespace fedloom
