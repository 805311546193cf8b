// Names of runs: readable, fit for any file system, and no two alike. They follow from what varies alone, so
// that a sweep that has grown finds its earlier runs again.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace fedloom {

/// Letters, digits and . _ = + - stay; runs of anything else become one '-'. Never empty, never more than 100
/// characters: of longer ones a hash takes the place of the end.
std::string folder_name(const std::string& text);

/// `name`, or name-2, name-3 … when it is taken; takes it. Letter case does not tell names apart.
std::string unique_name(const std::string& name, std::set<std::string>& taken);

/// The last part of each dotted key where that tells it from the others, else the whole key.
std::vector<std::string> short_keys(const std::vector<std::string>& keys);

}  // namespace fedloom
