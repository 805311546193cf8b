// Spelling only.
#include "experiments/sweep/run_names.hpp"

#include <algorithm>
#include <cctype>
#include <map>

#include <fmt/format.h>

#include "core/hash.hpp"

namespace fedloom {

namespace {

constexpr std::size_t kLongest = 100;

bool stays(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("._=+-").find(c) != std::string::npos;
}

std::string last_part(const std::string& key) { return key.substr(key.rfind('.') + 1); }

}  // namespace

std::string folder_name(const std::string& text) {
  std::string name;
  for (const char c : text) {
    const bool dash = !stays(c);
    const bool after_gap = name.empty() || name.ends_with('=') || name.ends_with('-');
    if (!dash)
      name += c;
    else if (!after_gap)
      name += '-';
  }
  while (name.ends_with('-')) name.pop_back();
  // Hidden, or the folder above.
  if (name.empty() || name.front() == '.') name = "_" + name;
  if (name.size() > kLongest)
    name = fmt::format("{}-{:08x}", name.substr(0, kLongest - 9), static_cast<std::uint32_t>(hash64(text)));
  return name;
}

std::string unique_name(const std::string& name, std::set<std::string>& taken) {
  const auto small = [](std::string word) {
    std::transform(word.begin(), word.end(), word.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return word;
  };
  std::string free = name;
  for (int i = 2; !taken.insert(small(free)).second; ++i) free = fmt::format("{}-{}", name, i);
  return free;
}

std::vector<std::string> short_keys(const std::vector<std::string>& keys) {
  std::map<std::string, int> ends;
  for (const std::string& key : keys) ++ends[last_part(key)];
  std::vector<std::string> names;
  for (const std::string& key : keys) names.push_back(ends[last_part(key)] > 1 ? key : last_part(key));
  return names;
}

}  // namespace fedloom
