// The settings of several runs beside each other: which differ, and how a group of runs is named by them.
// It compares settings as text and knows none of them.
#pragma once

#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "experiments/report/report_data.hpp"

namespace fedloom {

/// [{"key": "strategy.mu", "values": ["", "0.1"], "differs": true}, …]: one value per group, "" where a group
/// has no such setting; several values within a group (its seeds) are joined by ", ".
nlohmann::ordered_json settings_json(const std::vector<RunData>& runs, const std::vector<RunGroup>& groups);

}  // namespace fedloom
