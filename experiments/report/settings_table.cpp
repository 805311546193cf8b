// Grouping by settings. What only says where and how a run was executed, never what was learnt, does not
// set runs apart; neither does the seed, over which groups are averaged.
#include "experiments/report/settings_table.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace fedloom {

namespace {

using Settings = std::map<std::string, std::string>;

std::string_view leaf(std::string_view key) {
  const std::size_t dot = key.rfind('.');
  return dot == std::string_view::npos ? key : key.substr(dot + 1);
}

// Runs are compared by what decides their results: neither the seed, over which they are averaged, nor how
// the machine ran them.
bool sets_apart(std::string_view key) {
  constexpr std::array<std::string_view, 5> kIgnored = {"seed", "name", "runtime", "deploy", "checkpoint"};
  const std::string_view root = key.substr(0, key.find('.'));
  return std::find(kIgnored.begin(), kIgnored.end(), root) == kIgnored.end();
}

Settings identity(const RunData& run) {
  Settings settings;
  for (const auto& [key, value] : run.settings)
    if (sets_apart(key)) settings[key] = value;
  if (!settings.empty()) return settings;
  // No resolved.yaml: the first event names the main choices.
  const RunStarted& s = run.started;
  return {{"experiment", s.experiment},
          {"strategy", s.strategy},
          {"pacer", s.pacer},
          {"model", s.model},
          {"data", s.data}};
}

const std::string* value_of(const Settings& settings, const std::string& key) {
  const auto found = settings.find(key);
  return found == settings.end() ? nullptr : &found->second;
}

// Keys that do not have the same value everywhere, in the order of the first run's file.
std::vector<std::string> differing_keys(const std::vector<RunData>& runs,
                                        const std::vector<Settings>& identities) {
  std::vector<std::string> order;
  std::set<std::string> seen;
  for (const RunData& run : runs)
    for (const auto& [key, value] : run.settings)
      if (seen.insert(key).second) order.push_back(key);
  for (const Settings& settings : identities)
    for (const auto& [key, value] : settings)
      if (seen.insert(key).second) order.push_back(key);
  std::erase_if(order, [&](const std::string& key) {
    return std::all_of(identities.begin(), identities.end(), [&](const Settings& settings) {
      const std::string* first = value_of(identities.front(), key);
      const std::string* here = value_of(settings, key);
      return (first == nullptr) == (here == nullptr) && (first == nullptr || *first == *here);
    });
  });
  return order;
}

// The name of a component, or of the experiment, speaks for itself: "fedprox, mu=0.1".
bool is_name(const std::string& key) {
  return leaf(key) == "name" || key == "strategy" || key == "experiment";
}

std::string label_of(const Settings& settings, const std::vector<std::string>& keys) {
  std::map<std::string_view, int> leaves;
  for (const std::string& key : keys) ++leaves[leaf(key)];
  std::string names, others;
  for (const std::string& key : keys) {
    const std::string* value = value_of(settings, key);
    if (value == nullptr) continue;
    if (is_name(key))
      names += ", " + *value;
    else
      others += fmt::format(", {}={}", leaves[leaf(key)] > 1 ? std::string_view(key) : leaf(key), *value);
  }
  const std::string label = names + others;
  return label.empty() ? label : label.substr(2);
}

}  // namespace

std::vector<RunGroup> group_runs(const std::vector<RunData>& runs) {
  std::vector<RunGroup> groups;
  std::vector<Settings> identities;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const Settings settings = identity(runs[i]);
    const auto found = std::find(identities.begin(), identities.end(), settings);
    if (found == identities.end()) {
      identities.push_back(settings);
      groups.push_back({"", {i}});
    } else {
      groups[static_cast<std::size_t>(found - identities.begin())].runs.push_back(i);
    }
  }
  const std::vector<std::string> keys = differing_keys(runs, identities);
  std::set<std::string> taken;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const RunData& first = runs[groups[g].runs.front()];
    std::string label = label_of(identities[g], keys);
    if (label.empty())
      label = first.started.experiment.empty() ? first.started.strategy : first.started.experiment;
    // Two groups may print alike ("1" and "1" under keys that only one has): the folder tells them apart.
    if (!taken.insert(label).second) taken.insert(label += fmt::format(" ({})", first.name));
    groups[g].label = label;
  }
  return groups;
}

nlohmann::ordered_json settings_json(const std::vector<RunData>& runs, const std::vector<RunGroup>& groups) {
  std::vector<std::string> keys;
  std::vector<std::map<std::string, std::vector<std::string>>> values(groups.size());
  std::set<std::string> seen;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    for (const std::size_t run : groups[g].runs) {
      for (const auto& [key, value] : runs[run].settings) {
        if (seen.insert(key).second) keys.push_back(key);
        auto& known = values[g][key];
        if (std::find(known.begin(), known.end(), value) == known.end()) known.push_back(value);
      }
    }
  }
  auto table = nlohmann::ordered_json::array();
  for (const std::string& key : keys) {
    std::vector<std::string> row;
    for (const auto& group : values) {
      const auto found = group.find(key);
      row.push_back(found == group.end() ? "" : fmt::format("{}", fmt::join(found->second, ", ")));
    }
    const bool differs =
        std::any_of(row.begin(), row.end(), [&](const auto& value) { return value != row.front(); });
    table.push_back({{"key", key}, {"values", row}, {"differs", differs && sets_apart(key)}});
  }
  return table;
}

}  // namespace fedloom
