// `fedloom sweep`: the runs of a sweep file as children of this process, their table and their report.
// A run itself is `fedloom run` (experiments/run.hpp).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fedloom {

struct SweepOptions {
  std::string file;
  std::string out;  // folder of the sweep; "" is runs/NAME
  std::string data_dir;
  std::vector<std::string> overrides;  // key=value, further entries of the file's `set`
  std::vector<std::string> only;       // variants to run; empty: all
  std::uint64_t parallel = 0;          // runs at a time; 0 is what the file says
  bool dry_run = false;                // print the plan and touch nothing
};

/// Runs what is not finished yet, goes on with what was interrupted, and writes the table after every run.
/// Returns the exit code: 0; 1 when a run failed; 130 when stopped by a signal. Throws UserError before
/// anything starts when the file is wrong in any variant, or a folder holds a run of other settings.
int run_sweep(const SweepOptions& options);

}  // namespace fedloom
