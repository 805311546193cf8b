// Reading sweep files: plain fields by visiting, maps of the experiment's keys by hand.
#include "experiments/sweep/sweep_file.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include <fmt/ranges.h>

#include "core/error.hpp"

namespace fedloom {

namespace {

namespace fs = std::filesystem;

// Maps of the experiment's keys are read by hand; these are the fields beside them.
struct TuneFields {
  std::vector<std::uint64_t> seeds{1};
  std::string by = "best_accuracy";

  template <class Visitor>
  void visit(Visitor& v) {
    v("seeds", seeds, "seeds of the tuning runs; their mean decides");
    v("by", by, "what decides, on the validation split",
      one_of({"best_accuracy", "last_accuracy", "last_loss"}));
  }
};

struct SweepFields {
  std::string name;
  std::string experiment;
  std::vector<std::uint64_t> seeds;
  std::uint64_t parallel = 1;

  template <class Visitor>
  void visit(Visitor& v) {
    v("name", name, "name of the sweep and of its folder below runs/; left out: the file's");
    v("experiment", experiment, "the experiment file that all runs start from, relative to this file");
    v("seeds", seeds, "every variant is run with each; left out: the experiment's seed");
    v("parallel", parallel, "runs at a time; they share the cores", between(1, 256));
  }
};

/// Reads the fields of `node` beside `maps`. Keys of both kinds are known, so that a slip in one finds it.
template <class Fields>
Fields fields_of(const ConfigNode& node, const std::vector<std::string>& maps) {
  std::vector<std::string> known = maps;
  for (const FieldDoc& row : config_docs<Fields>()) known.push_back(row.name);
  for (const std::string& key : node.keys()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string guess = nearest(key, known);
    node.child(key).fail(guess.empty() ? fmt::format("unknown key; known here: {}", fmt::join(known, ", "))
                                       : fmt::format("unknown key; did you mean '{}'?", guess));
  }
  ConfigNode rest = node;
  for (const std::string& map : maps) rest = rest.without(map);
  return read_config<Fields>(rest);
}

// These are decided by the sweep itself, run by run.
void expect_free(const Override& entry) {
  if (entry.key == "seed" || entry.key.starts_with("seed."))
    entry.value.fail("seeds of a sweep are listed under 'seeds'");
  if (entry.key == "name") entry.value.fail("runs are named after what varies; a sweep has its own 'name'");
}

bool has_dotted_key(const ConfigNode& map) {
  const std::vector<std::string> keys = map.keys();
  return std::any_of(keys.begin(), keys.end(),
                     [](const std::string& key) { return key.find('.') != std::string::npos; });
}

void add_overrides(const std::string& key, const ConfigNode& value, std::vector<Override>& overrides) {
  // Names with dots inside a value are that value's own (model.init.rename).
  const bool whole =
      !value.is_map() || value.keys().empty() || value.child("name").present() || has_dotted_key(value);
  if (whole) {
    overrides.push_back({key, value});
    expect_free(overrides.back());
    return;
  }
  for (const std::string& inner : value.keys())
    add_overrides(key + "." + inner, value.child(inner), overrides);
}

std::vector<SweepAxis> axes_of(const ConfigNode& map) {
  std::vector<SweepAxis> axes;
  if (!map.present()) return axes;
  if (!map.is_map() || map.keys().empty())
    map.fail("expected keys with lists of values, such as train.lr: [0.01, 0.1]");
  for (const std::string& key : map.keys()) {
    const ConfigNode values = map.child(key);
    SweepAxis axis{key, {}};
    if (!values.is_list() || values.items().empty())
      (values.present() ? values : map)
          .fail(fmt::format("{}: expected a list of at least one value, such as [0.01, 0.1]", key));
    std::set<std::string> seen;
    for (const ConfigNode& value : values.items()) {
      if (!value.present()) values.fail("an entry is empty");
      if (!seen.insert(value.flow()).second) value.fail(fmt::format("{} is in the list twice", value.flow()));
      expect_free({key, value});
      axis.values.push_back(value);
    }
    axes.push_back(std::move(axis));
  }
  return axes;
}

std::vector<NamedVariant> variants_of(const ConfigNode& map) {
  std::vector<NamedVariant> variants;
  if (!map.present()) return variants;
  if (!map.is_map() || map.keys().empty())
    map.fail("expected names of variants, each with what it changes, such as adam: {strategy: fedadam}");
  for (const std::string& name : map.keys()) {
    const ConfigNode changes = map.child(name);
    if (changes.present() && !changes.is_map())
      changes.fail("expected a map of keys of the experiment, such as {strategy: fedadam}");
    variants.push_back({name, overrides_of(changes)});
  }
  return variants;
}

void check_seeds(const ConfigNode& node, const std::vector<std::uint64_t>& seeds) {
  if (!node.present()) return;
  if (!node.is_list() || seeds.empty()) node.fail("expected a list of seeds, such as [1, 2, 3]");
  std::set<std::uint64_t> seen;
  for (const std::uint64_t seed : seeds)
    if (!seen.insert(seed).second) node.fail(fmt::format("seed {} is given twice", seed));
}

// What is laid over later would silently win over it.
void expect_no_axis(const std::vector<SweepAxis>& axes, const std::vector<Override>& overrides,
                    const char* other) {
  for (const Override& entry : overrides)
    for (const SweepAxis& axis : axes)
      if (axis.key == entry.key)
        entry.value.fail(fmt::format("{} has values for {} already; keep one of the two", other, axis.key));
}

TuneFile tune_from(const ConfigNode& node, const SweepFile& sweep) {
  const auto fields = fields_of<TuneFields>(node, {"grid", "set"});
  TuneFile tune;
  tune.grid = axes_of(node.child("grid"));
  if (tune.grid.empty())
    node.fail("grid is missing: the keys to choose, such as grid: {train.lr: [0.01, 0.1]}");
  check_seeds(node.child("seeds"), fields.seeds);
  tune.seeds = fields.seeds;
  tune.set = overrides_of(node.child("set"));
  constexpr std::array<const char*, 3> kNames = {"best_accuracy", "last_accuracy", "last_loss"};
  tune.by = static_cast<TuneBy>(std::find(kNames.begin(), kNames.end(), fields.by) - kNames.begin());
  for (const Override& entry : tune.set)
    if (entry.key == "evaluate.on")
      entry.value.fail("tuning runs are evaluated on the validation split alone");
  for (const SweepAxis& axis : tune.grid) {
    const Override first{axis.key, axis.values.front()};
    expect_no_axis(sweep.grid, {first}, "grid");
    if (axis.key == "evaluate.on") first.value.fail("tuning chooses settings of the training");
    for (const NamedVariant& variant : sweep.list) expect_no_axis(tune.grid, variant.overrides, "tune.grid");
  }
  expect_no_axis(tune.grid, tune.set, "tune.grid");
  expect_no_axis(tune.grid, sweep.set, "tune.grid");
  return tune;
}

std::string default_name(const std::string& file) { return fs::path(file).stem().string(); }

std::string checked_name(const ConfigNode& node, const std::string& name) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  if (!name.starts_with('.') && std::all_of(name.begin(), name.end(), good)) return name;
  node.fail(
      fmt::format("{}'{}' cannot be the name of a folder; use letters, digits, '.', '_' and '-', and no "
                  "'.' in front",
                  node.present() ? "" : "name is missing, and the file's ", name));
}

}  // namespace

std::vector<Override> overrides_of(const ConfigNode& map) {
  std::vector<Override> overrides;
  if (!map.present()) return overrides;
  if (!map.is_map()) map.fail("expected a map of keys of the experiment, such as {train.lr: 0.1}");
  for (const std::string& key : map.keys()) add_overrides(key, map.child(key), overrides);
  return overrides;
}

SweepFile sweep_file_from(const ConfigNode& root, const std::string& file,
                          const std::vector<std::string>& assignments) {
  if (!root.is_map())
    throw user_error("{}: holds no sweep; expected keys such as experiment, grid, list, seeds", file);
  const auto fields = fields_of<SweepFields>(root, {"set", "grid", "list", "tune"});
  if (fields.experiment.empty())
    throw user_error("{}: experiment is missing: the experiment file that all runs start from", file);
  SweepFile sweep;
  sweep.file = file;
  sweep.name = checked_name(root.child("name"), fields.name.empty() ? default_name(file) : fields.name);
  const fs::path experiment = fs::path(file).parent_path() / fields.experiment;
  sweep.experiment = experiment.lexically_normal().string();
  if (!fs::exists(experiment))
    root.child("experiment")
        .fail(fmt::format("there is no file {}; the path is relative to {}", sweep.experiment,
                          fs::path(file).filename().string()));
  sweep.set = overrides_of(root.child("set"));
  for (const std::string& assignment : assignments) {
    const std::vector<Override> more = overrides_of(ConfigNode().with_override(assignment));
    sweep.set.insert(sweep.set.end(), more.begin(), more.end());
  }
  sweep.grid = axes_of(root.child("grid"));
  sweep.list = variants_of(root.child("list"));
  check_seeds(root.child("seeds"), fields.seeds);
  sweep.seeds = fields.seeds;
  sweep.parallel = fields.parallel;
  expect_no_axis(sweep.grid, sweep.set, "grid");
  for (const NamedVariant& variant : sweep.list) expect_no_axis(sweep.grid, variant.overrides, "grid");
  if (root.child("tune").present()) sweep.tune = tune_from(root.child("tune"), sweep);
  return sweep;
}

SweepFile read_sweep_file(const std::string& file, const std::vector<std::string>& assignments) {
  return sweep_file_from(ConfigNode::from_file(file), file, assignments);
}

}  // namespace fedloom
