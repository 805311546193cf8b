// From runs to what the page shows: groups of runs that differ only by seed, their mean curves, labels,
// thinned points. The page's JavaScript draws and formats, it computes nothing of this.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "experiments/report/run_data.hpp"

namespace fedloom {

/// Runs with equal settings but for seeds; indices into the list of runs.
struct RunGroup {
  std::string label;  // what sets it apart: "fedprox, mu=0.1"; the experiment's name when there is one group
  std::vector<std::size_t> runs;
};

/// Groups in the order of their first runs. Labels are distinct.
std::vector<RunGroup> group_runs(const std::vector<RunData>& runs);

/// The data block of the page.
nlohmann::ordered_json report_data(const std::vector<RunData>& runs);

}  // namespace fedloom
