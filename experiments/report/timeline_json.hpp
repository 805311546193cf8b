// The timelines of several runs for the page: what is compared between groups, and the tasks of one run per
// group. Everything is thinned here; the page draws what it is given.
#pragma once

#include <cstdint>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "experiments/report/report_data.hpp"

namespace fedloom {

/// Bars of a staleness histogram; bar i counts low[i] to high[i], both included.
struct StalenessBins {
  std::vector<std::uint64_t> low, high;
};

/// At most `limit` (at least 2) bars over all values that occurred, equally wide but for the last one, which
/// takes the largest hundredth of the tasks when these would make the others wide. Empty without tasks.
StalenessBins staleness_bins(const std::vector<const Timeline*>& timelines, std::size_t limit);

/// The part "timeline" of the data block; null when no run has a timeline. Entries are null for groups and
/// runs without one.
nlohmann::ordered_json timelines_json(const std::vector<RunData>& runs, const std::vector<RunGroup>& groups);

}  // namespace fedloom
