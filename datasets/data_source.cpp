// Finding files, and the answers of sources that have none.
#include "datasets/data_source.hpp"

#include <cstdlib>
#include <filesystem>

#include "core/error.hpp"
#include "datasets/byte_source.hpp"

namespace fedloom {

SplitExamples DataSource::load(const std::string&, const KeptFeatures&) const {
  FEDLOOM_CHECK(false, "a source without stored examples was asked for them");
  return {};
}

SplitExamples DataSource::load_folder(const std::string& folder) const {
  throw user_error(
      "{}: this data.source is generated and has no files; a client with files of its own needs a "
      "source such as idx or csv",
      folder);
}

std::string default_data_dir() {
  const char* chosen = std::getenv("FEDLOOM_DATA");
  return chosen != nullptr && *chosen != '\0' ? chosen : "data";
}

std::string locate(const std::string& path, const std::string& data_dir, const char* key) {
  if (path.empty()) throw user_error("data.source.{}: give the path of a file", key);
  std::string found = find_packed(path);
  if (found.empty() && std::filesystem::path(path).is_relative())
    found = find_packed((std::filesystem::path(data_dir) / path).string());
  if (found.empty())
    throw user_error("data.source.{}: there is no file '{}' (nor .gz, .xz), neither here nor in {}", key,
                     path, data_dir);
  return found;
}

}  // namespace fedloom
