// Matching names, then copying.
#include "models/load_weights.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <regex>
#include <set>

#include <fmt/ranges.h>

#include "core/error.hpp"
#include "models/adapters/adaptation.hpp"

namespace fedloom {

struct NameMap::Rule {
  std::string from;  // the beginning of a name, where there is no expression
  std::optional<std::regex> expression;
  std::string to;
};

NameMap::NameMap(const std::vector<std::pair<std::string, std::string>>& rules) {
  std::vector<Rule> made;
  for (const auto& [from, to] : rules) {
    if (from.empty())
      throw user_error("renaming '' to '{}': say how the names begin, or give an /expression/", to);
    Rule& rule = made.emplace_back(Rule{from, std::nullopt, to});
    if (from.size() < 2 || from.front() != '/' || from.back() != '/') continue;
    try {
      rule.expression.emplace(from.substr(1, from.size() - 2));
    } catch (const std::regex_error& error) {
      throw user_error("renaming {}: this is no regular expression ({})", from, error.what());
    }
  }
  rules_ = std::make_shared<const std::vector<Rule>>(std::move(made));
}

std::string NameMap::operator()(std::string name) const {
  if (!rules_) return name;
  for (const Rule& rule : *rules_) {
    if (rule.expression)
      name = std::regex_replace(name, *rule.expression, rule.to, std::regex_constants::format_first_only);
    else if (name.starts_with(rule.from))
      name.replace(0, rule.from.size(), rule.to);
  }
  return name;
}

namespace {

// "a, b, c" of at most a few names: a model can have hundreds.
std::string some(const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 6;
  if (names.empty()) return "none";
  if (names.size() <= kMost) return fmt::format("{}", fmt::join(names, ", "));
  return fmt::format("{} and {} more", fmt::join(names.begin(), names.begin() + kMost, ", "),
                     names.size() - kMost);
}

// Model name to file name.
std::map<std::string, std::string> translated(const SafetensorsFile& file, const NameMap& names) {
  std::map<std::string, std::string> found;
  for (const std::string& name : file.names()) {
    const auto [it, fresh] = found.emplace(names(name), name);
    if (!fresh)
      throw user_error("{}: tensors '{}' and '{}' are both renamed to '{}'", file.source(), it->second, name,
                       it->first);
  }
  return found;
}

bool fits_any(const std::vector<std::string>& patterns, const std::string& name) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return fits(pattern, name); });
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void expect_used(const std::vector<std::string>& patterns, const Layout& layout) {
  for (const std::string& pattern : patterns) {
    const auto& slices = layout.slices();
    if (std::any_of(slices.begin(), slices.end(),
                    [&](const Slice& slice) { return fits(pattern, slice.name); }))
      continue;
    std::vector<std::string> names;
    for (const Slice& slice : slices) names.push_back(slice.name);
    const std::string guess = nearest(pattern, names);
    throw user_error("fresh: '{}' fits no slice of the model{}", pattern,
                     guess.empty() ? "" : fmt::format("; did you mean '{}'?", guess));
  }
}

// Rows of other words would load without a word: their number is the same.
void expect_same_words(const SafetensorsFile& file, const Slice& slice, const LoadOptions& options) {
  if (options.vocabulary_id == 0 || slice.shape.empty() || slice.shape[0] != options.vocabulary) return;
  const auto found = file.metadata().find("vocabulary");
  if (found == file.metadata().end() || found->second == vocabulary_text(options.vocabulary_id)) return;
  throw user_error(
      "{}: '{}' has a row for every token of another vocabulary ({}) than that of the data ({}); give both "
      "the "
      "same vocabulary_of (or vocabulary_file), vocabulary, min_count, tokens and lower",
      file.source(), slice.name, found->second, vocabulary_text(options.vocabulary_id));
}

}  // namespace

std::string vocabulary_text(std::uint64_t id) { return fmt::format("{:016x}", id); }

LoadReport load_weights(const SafetensorsFile& file, const Layout& layout, std::span<float> values,
                        const LoadOptions& options) {
  FEDLOOM_CHECK(values.size() == layout.size(), "{} values for a layout of {}", values.size(), layout.size());
  expect_used(options.fresh, layout);
  const std::map<std::string, std::string> tensors = translated(file, options.names);
  FloatBuffer loaded(values.begin(), values.end());
  std::set<std::string> used;
  std::vector<std::string> missing;
  LoadReport report;
  for (const Slice& slice : layout.slices()) {
    const auto tensor = tensors.find(slice.name);
    const bool fresh = fits_any(options.fresh, slice.name);
    if (!fresh && tensor == tensors.end() && contains(options.optional, slice.name)) continue;
    if (fresh || tensor == tensors.end()) {
      report.kept.push_back(slice.name);
      if (!fresh) missing.push_back(slice.name);
      continue;
    }
    const std::string& name = tensor->second;
    if (file.shape(name) != slice.shape)
      throw user_error(
          "{}: tensor '{}' has shape ({}), but the model's '{}' has shape ({}); is it another model or data "
          "set? With `fresh: {}` this slice starts at random",
          file.source(), name, fmt::join(file.shape(name), ", "), slice.name, fmt::join(slice.shape, ", "),
          slice.name);
    expect_same_words(file, slice, options);
    file.copy_to(name, {loaded.data() + slice.offset, slice.size});
    used.insert(name);
  }
  for (const std::string& name : file.names())
    if (!used.contains(name)) report.unused.push_back(name);
  if (!missing.empty() && (!options.partial || used.empty()))
    throw user_error(
        "{}: does not hold this model's weights; missing: {}; not of this model: {}. `rename` maps names "
        "that "
        "differ{}",
        file.source(), some(missing), some(report.unused),
        options.partial ? "; not one slice was found"
                        : ", `partial: true` lets what is missing start at random");
  std::copy(loaded.begin(), loaded.end(), values.begin());
  return report;
}

}  // namespace fedloom
