// From a sweep file to its runs: variants, candidates of the tuning, seeds, and the experiment of every run.
// All of it is known and checked before anything starts; what has been run already is past_run.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "experiments/sweep/sweep_file.hpp"
#include "wiring/experiment.hpp"

namespace fedloom {

/// One line of the sweep's table.
struct SweepVariant {
  std::string name;                // fit for a folder, unique in the sweep: "fedfix_lr=0.01"
  std::string listed;              // its name in `list`; "" when there is no list
  std::vector<std::string> cells;  // its values of the grid's keys, in the order of the grid
  std::vector<Override> overrides;
};

/// One combination of the values that tuning chooses from.
struct TuneCandidate {
  std::string name;                  // fit for a folder
  std::vector<std::size_t> indices;  // into the values of each axis
  std::vector<std::string> cells;
  std::vector<Override> overrides;
};

struct PlannedRun {
  std::size_t variant = 0;
  std::uint64_t seed = 0;
  std::optional<std::size_t> candidate;  // of a tuning run, or what tuning chose for a main run
  bool tuning = false;
  std::string folder;  // below the sweep's: "fedfix_lr=0.01_seed=1", "tune/fedfix_lr=0.01_lr=0.1_seed=1"
};

class SweepPlan {
 public:
  /// Checks the experiment of every run. Throws UserError that names the place in the sweep file, and the
  /// run.
  explicit SweepPlan(SweepFile file);

  const SweepFile& file() const { return file_; }
  const std::vector<SweepVariant>& variants() const { return variants_; }
  /// In the order of the grid, its last axis fastest; empty without tuning.
  const std::vector<TuneCandidate>& candidates() const { return candidates_; }
  const std::vector<std::uint64_t>& seeds() const { return seeds_; }

  std::vector<PlannedRun> tuning_runs(std::size_t variant) const;
  /// `chosen`: the candidate that tuning chose; nothing in sweeps without tuning.
  std::vector<PlannedRun> main_runs(std::size_t variant, std::optional<std::size_t> chosen) const;

  /// The experiment with everything of this run laid over it. Throws UserError.
  ExperimentConfig experiment(const PlannedRun& run) const;

  /// The variant of that name, or all that come from this entry of `list`. Throws UserError when there is
  /// none.
  std::vector<std::size_t> find(const std::string& name) const;

 private:
  void expand_variants();
  void expand_candidates();
  void check() const;

  SweepFile file_;
  std::vector<SweepVariant> variants_;
  std::vector<TuneCandidate> candidates_;
  std::vector<std::uint64_t> seeds_;
};

}  // namespace fedloom
