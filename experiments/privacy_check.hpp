// From the section `privacy:` of an experiment file to settings, and what cannot be accounted for. The keys
// are in wiring/privacy_config.hpp, the mechanisms in algorithms/privacy/.
#pragma once

#include <optional>

#include "server/privacy_budget.hpp"

namespace fedloom {

struct ExperimentConfig;
struct Components;

/// Nothing for unit none. Throws UserError when keys contradict each other or the sums they lead to have no
/// noise.
std::optional<PrivacySettings> to_privacy(const ExperimentConfig& config);

/// Refuses with a UserError what the accounting does not cover: layers and losses in which examples meet,
/// extra slots, weights by examples, cohorts of a fixed size and the like.
void check_privacy(const ExperimentConfig& config, const Components& parts);

}  // namespace fedloom
