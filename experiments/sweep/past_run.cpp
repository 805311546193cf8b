// Experiments are compared as they resolve, so that a default that is now written out is no change.
#include "experiments/sweep/past_run.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>

#include "core/error.hpp"
#include "core/file.hpp"
#include "experiments/experiment_file.hpp"
#include "experiments/report/run_data.hpp"

namespace fedloom {

namespace {

namespace fs = std::filesystem;

struct Change {
  std::string key;
  std::string before;
  std::string now;
};

// What only says how the machine runs it.
bool decides(const std::string& key) {
  constexpr std::array<std::string_view, 4> kIgnored = {"name", "runtime", "deploy", "checkpoint"};
  return std::find(kIgnored.begin(), kIgnored.end(), key.substr(0, key.find('.'))) == kIgnored.end();
}

std::vector<Change> changes_between(const ExperimentConfig& before, const ExperimentConfig& now) {
  std::map<std::string, std::pair<std::string, std::string>> both;
  for (const auto& [key, value] : flat_settings(ConfigNode::from_text(resolved_yaml(before), "before")))
    both[key].first = value;
  for (const auto& [key, value] : flat_settings(ConfigNode::from_text(resolved_yaml(now), "now")))
    both[key].second = value;
  std::vector<Change> changes;
  for (const auto& [key, values] : both)
    if (decides(key) && values.first != values.second) changes.push_back({key, values.first, values.second});
  return changes;
}

std::string text_of(const std::vector<Change>& changes) {
  constexpr std::size_t kMost = 4;
  std::string text;
  for (std::size_t i = 0; i < std::min(changes.size(), kMost); ++i)
    text += fmt::format("{}{} was {}, is now {}", i == 0 ? "" : "; ", changes[i].key,
                        changes[i].before.empty() ? "not there" : changes[i].before,
                        changes[i].now.empty() ? "gone" : changes[i].now);
  if (changes.size() > kMost) text += fmt::format("; and {} more", changes.size() - kMost);
  return text;
}

}  // namespace

PastRun past_run(const std::string& folder, const ExperimentConfig& config) {
  const std::string resolved = folder + "/resolved.yaml";
  if (!fs::exists(resolved)) return PastRun::none;
  const ExperimentConfig theirs = parse_experiment(read_file(resolved), resolved).config;
  load_plugins(theirs);
  const bool finished = fs::exists(folder + "/summary.json");
  const std::vector<Change> changes = changes_between(theirs, config);
  if (changes.empty()) return finished ? PastRun::finished : PastRun::interrupted;
  const bool longer = changes.size() == 1 && changes[0].key == "rounds" && config.rounds > theirs.rounds;
  const bool same_start = experiment_fingerprint(theirs) == experiment_fingerprint(config);
  if (same_start && (longer || !finished)) return PastRun::interrupted;
  throw user_error(
      "{}: holds a run with other settings: {}; remove the folder to run it anew, or give another --out",
      folder, text_of(changes));
}

}  // namespace fedloom
