// Test vectors that were worked out apart from this code, as JSON files in the folder FEDLOOM_VECTORS, or
// else in specs/vectors beside the folder FEDLOOM_DATA. They are no part of the project; tests without them
// are skipped.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

namespace fedloom::testing {

inline std::optional<nlohmann::json> read_vectors(const std::string& file) {
  std::filesystem::path folder;
  if (const char* own = std::getenv("FEDLOOM_VECTORS"))
    folder = own;
  else if (const char* data = std::getenv("FEDLOOM_DATA"))
    folder = std::filesystem::path(data).parent_path() / "specs" / "vectors";
  std::ifstream in(folder / file);
  if (!in) return std::nullopt;
  return nlohmann::json::parse(in);
}

}  // namespace fedloom::testing
