// Which candidate of a tuning grid a variant gets, from figures of its validation split.
// Runs and folders are not known here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "experiments/sweep/run_figures.hpp"
#include "experiments/sweep/sweep_file.hpp"

namespace fedloom {

/// What the candidate's runs, one per seed, came to: the mean of the figure that decides. Absent when a run
/// has no such figure, as after divergence, or when there is no run.
std::optional<double> tune_score(TuneBy by, const std::vector<RunFigures>& runs);

/// The candidate with the best score, the first of equals; nothing when no candidate has a score.
std::optional<std::size_t> tune_choice(TuneBy by, const std::vector<std::optional<double>>& scores);

/// The keys whose chosen value is the smallest or the largest of several numbers: a better one may lie
/// outside.
std::vector<std::string> keys_at_edge(const std::vector<SweepAxis>& grid,
                                      const std::vector<std::size_t>& chosen);

}  // namespace fedloom
