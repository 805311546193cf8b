// What a sweep file says: a base experiment, what varies over it, seeds, and what is tuned before. Keys of
// the experiment are not known here; they are checked when runs are made of them (sweep_plan.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config.hpp"

namespace fedloom {

/// A value laid over a dotted key of the experiment.
struct Override {
  std::string key;
  ConfigNode value;
};

/// A key and the values it takes in turn.
struct SweepAxis {
  std::string key;
  std::vector<ConfigNode> values;  // at least one, no two alike
};

/// One entry of `list`.
struct NamedVariant {
  std::string name;
  std::vector<Override> overrides;
};

enum class TuneBy { best_accuracy, last_accuracy, last_loss };

struct TuneFile {
  std::vector<SweepAxis> grid;  // at least one axis
  std::vector<std::uint64_t> seeds;
  std::vector<Override> set;  // for tuning runs only
  TuneBy by = TuneBy::best_accuracy;
};

struct SweepFile {
  std::string file;
  std::string name;
  std::string experiment;     // path of the base experiment
  std::vector<Override> set;  // for every run
  std::vector<SweepAxis> grid;
  std::vector<NamedVariant> list;
  std::vector<std::uint64_t> seeds;  // empty: the experiment's own
  std::optional<TuneFile> tune;
  std::uint64_t parallel = 1;  // runs at a time
};

/// Reads and checks a sweep file. `assignments` (key=value) count as further entries of `set`. Throws
/// UserError with the place of what is wrong.
SweepFile read_sweep_file(const std::string& file, const std::vector<std::string>& assignments);
/// The same from a parsed tree; `file` is where it stands, for relative paths and the default name.
SweepFile sweep_file_from(const ConfigNode& root, const std::string& file,
                          const std::vector<std::string>& assignments);

/// The overrides that a map of keys means. A map as value is gone into key by key, so that
/// `train: {lr: 0.1}` changes one setting and leaves the others; one with a `name` chooses a component and
/// takes the place of all that was there.
std::vector<Override> overrides_of(const ConfigNode& map);

}  // namespace fedloom
