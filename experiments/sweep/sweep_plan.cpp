// Products of axes, names, and overrides laid over the base in their order: set, variant, tuned values, what
// the sweep itself decides.
#include "experiments/sweep/sweep_plan.hpp"

#include <algorithm>
#include <set>

#include <fmt/ranges.h>

#include "core/error.hpp"
#include "experiments/experiment_file.hpp"
#include "experiments/sweep/run_names.hpp"

namespace fedloom {

namespace {

constexpr std::size_t kMostRuns = 20'000;  // more is a slip of the pen

std::vector<std::string> keys_of(const std::vector<SweepAxis>& axes) {
  std::vector<std::string> keys;
  for (const SweepAxis& axis : axes) keys.push_back(axis.key);
  return keys;
}

std::string at_most_runs(const SweepFile& file) {
  return fmt::format("{}: more than {} runs; vary less at a time", file.file, kMostRuns);
}

// All combinations, the last axis fastest. Without axes: the empty one.
std::vector<std::vector<std::size_t>> combinations(const SweepFile& file,
                                                   const std::vector<SweepAxis>& axes) {
  std::vector<std::vector<std::size_t>> all = {{}};
  for (const SweepAxis& axis : axes) {
    if (all.size() * axis.values.size() > kMostRuns) throw UserError(at_most_runs(file));
    std::vector<std::vector<std::size_t>> longer;
    for (const auto& indices : all)
      for (std::size_t i = 0; i < axis.values.size(); ++i) {
        longer.push_back(indices);
        longer.back().push_back(i);
      }
    all = std::move(longer);
  }
  return all;
}

struct Combination {
  std::string name;
  std::vector<std::string> cells;
  std::vector<Override> overrides;
};

Combination combine(const std::vector<SweepAxis>& axes, const std::vector<std::size_t>& indices) {
  Combination result;
  const std::vector<std::string> names = short_keys(keys_of(axes));
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const ConfigNode& value = axes[i].values[indices[i]];
    result.name += fmt::format("{}{}={}", i == 0 ? "" : "_", names[i], value.flow());
    result.cells.push_back(value.flow());
    result.overrides.push_back({axes[i].key, value});
  }
  return result;
}

// What is laid over the base, as --set takes it, and where it was written.
class Overlay {
 public:
  void add(const std::vector<Override>& overrides) {
    for (const Override& entry : overrides) {
      assignments_.push_back(entry.key + "=" + entry.value.flow());
      places_.push_back(entry.value.where());
    }
  }
  void add(const std::string& assignment) {
    assignments_.push_back(assignment);
    places_.emplace_back();
  }

  /// Errors name the place in the sweep file instead of an assignment that nobody has typed.
  ExperimentConfig load(const std::string& file) const {
    try {
      return load_experiment(file, assignments_).config;
    } catch (const UserError& error) {
      throw UserError(placed(error.what()));
    }
  }

 private:
  // Of equal keys the last one counts, so that is where an error comes from.
  std::string placed(std::string message) const {
    for (std::size_t i = assignments_.size(); i-- > 0;) {
      const std::string said = "--set " + assignments_[i];
      const std::size_t at = message.find(said + ": ");
      if (at != std::string::npos && !places_[i].empty()) return message.replace(at, said.size(), places_[i]);
    }
    return message;
  }

  std::vector<std::string> assignments_;
  std::vector<std::string> places_;
};

}  // namespace

SweepPlan::SweepPlan(SweepFile file) : file_(std::move(file)), seeds_(file_.seeds) {
  Overlay overlay;
  overlay.add(file_.set);
  const ExperimentConfig base = overlay.load(file_.experiment);
  if (seeds_.empty()) seeds_ = {base.seed};
  expand_variants();
  expand_candidates();
  const std::size_t tunings = file_.tune ? candidates_.size() * file_.tune->seeds.size() : 0;
  if (variants_.size() * (seeds_.size() + tunings) > kMostRuns) throw UserError(at_most_runs(file_));
  check();
}

void SweepPlan::expand_variants() {
  std::set<std::string> taken = {"tune"};
  const std::vector<NamedVariant> one = {{}};
  for (const NamedVariant& named : file_.list.empty() ? one : file_.list)
    for (const auto& indices : combinations(file_, file_.grid)) {
      Combination grid = combine(file_.grid, indices);
      const bool both = !named.name.empty() && !grid.name.empty();
      std::string name = named.name + (both ? "_" : "") + grid.name;
      if (name.empty()) name = "base";
      SweepVariant variant{unique_name(folder_name(name), taken), named.name, std::move(grid.cells),
                           named.overrides};
      variant.overrides.insert(variant.overrides.end(), grid.overrides.begin(), grid.overrides.end());
      variants_.push_back(std::move(variant));
    }
}

void SweepPlan::expand_candidates() {
  if (!file_.tune) return;
  std::set<std::string> taken;
  for (const auto& indices : combinations(file_, file_.tune->grid)) {
    Combination grid = combine(file_.tune->grid, indices);
    candidates_.push_back({unique_name(folder_name(grid.name), taken), indices, std::move(grid.cells),
                           std::move(grid.overrides)});
  }
}

void SweepPlan::check() const {
  const std::optional<std::size_t> any = file_.tune ? std::optional<std::size_t>(0) : std::nullopt;
  for (std::size_t variant = 0; variant < variants_.size(); ++variant) {
    for (const PlannedRun& run : tuning_runs(variant)) (void)experiment(run);
    for (const PlannedRun& run : main_runs(variant, any)) (void)experiment(run);
  }
}

std::vector<PlannedRun> SweepPlan::tuning_runs(std::size_t variant) const {
  std::vector<PlannedRun> runs;
  for (std::size_t i = 0; i < candidates_.size(); ++i)
    for (const std::uint64_t seed : file_.tune->seeds)
      runs.push_back({variant, seed, i, true,
                      fmt::format("tune/{}_{}_seed={}", variants_[variant].name, candidates_[i].name, seed)});
  return runs;
}

std::vector<PlannedRun> SweepPlan::main_runs(std::size_t variant, std::optional<std::size_t> chosen) const {
  std::vector<PlannedRun> runs;
  for (const std::uint64_t seed : seeds_)
    runs.push_back({variant, seed, chosen, false, fmt::format("{}_seed={}", variants_[variant].name, seed)});
  return runs;
}

ExperimentConfig SweepPlan::experiment(const PlannedRun& run) const {
  Overlay overlay;
  overlay.add(file_.set);
  overlay.add(variants_[run.variant].overrides);
  if (run.candidate) overlay.add(candidates_[*run.candidate].overrides);
  if (run.tuning) {
    overlay.add(file_.tune->set);
    overlay.add("evaluate.on=validation");
    overlay.add("evaluate.stop_at_target=false");  // a target would cut the best candidates short
  }
  overlay.add(fmt::format("seed={}", run.seed));
  overlay.add("name=" + file_.name);
  try {
    const ExperimentConfig config = overlay.load(file_.experiment);
    if (run.tuning && config.data.validation <= 0)
      throw user_error(
          "{}: tune chooses on the validation split, but data.validation is 0; hold some training data back "
          "for all runs, e.g. set: {{data.validation: 0.1}}",
          file_.file);
    return config;
  } catch (const UserError& error) {
    throw user_error("{} (run {})", error.what(), run.folder);
  }
}

std::vector<std::size_t> SweepPlan::find(const std::string& name) const {
  std::vector<std::size_t> found;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < variants_.size(); ++i) {
    names.push_back(variants_[i].name);
    if (variants_[i].name == name || (!name.empty() && variants_[i].listed == name)) found.push_back(i);
  }
  if (!found.empty()) return found;
  for (const NamedVariant& variant : file_.list) names.push_back(variant.name);
  const std::string guess = nearest(name, names);
  names.resize(std::min<std::size_t>(variants_.size(), 20));
  throw user_error("--only {}: there is no such variant{}; there are: {}", name,
                   guess.empty() ? "" : fmt::format(" (did you mean '{}'?)", guess), fmt::join(names, ", "));
}

}  // namespace fedloom
