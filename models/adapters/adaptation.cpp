// Matching names against patterns.
#include "models/adapters/adaptation.hpp"

#include <algorithm>

namespace fedloom {

bool fits(std::string_view pattern, std::string_view name) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos)
    return name == pattern ||
           (name.size() > pattern.size() && name.starts_with(pattern) && name[pattern.size()] == '.');
  if (!name.starts_with(pattern.substr(0, star))) return false;
  const std::string_view rest = pattern.substr(star + 1);
  for (std::size_t from = star; from <= name.size(); ++from)
    if (rest.empty() || fits(rest, name.substr(from))) return true;
  return false;
}

namespace {

bool fits_any(const std::vector<std::string>& patterns, std::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return fits(pattern, name); });
}

}  // namespace

bool Adaptation::targets_layer(Method wanted, std::string_view name) const {
  return method == wanted && fits_any(targets, name);
}

bool Adaptation::trains_slice(std::string_view name) const {
  return (!adapts() || fits_any(train, name)) && !fits_any(frozen, name);
}

bool Adaptation::trains_adapter(std::string_view name) const { return !fits_any(frozen, name); }

}  // namespace fedloom
