// Which folder may include which: the arrows of the architecture, read from the #include lines. A missing
// arrow is what lets the same core run under a simulated clock, across processes and on a device.
#include <algorithm>
#include <map>
#include <regex>

#include <gtest/gtest.h>

#include "tests/house/source_tree.hpp"
#include "tests/support/paths.hpp"

namespace fedloom::house {
namespace {

const std::map<std::string, std::set<std::string>>& allowed() {
  static const std::map<std::string, std::set<std::string>> rules = {
      {"core", {}},
      {"models", {"core"}},
      {"datasets", {"core"}},
      {"transport", {"core"}},
      {"algorithms", {"core", "models"}},
      {"client", {"core", "models", "datasets", "transport", "algorithms"}},
      {"server", {"core", "transport", "algorithms"}},
      {"wiring", {"core", "models", "datasets", "algorithms", "client"}},
      {"edge", {"core", "models", "datasets", "transport", "algorithms", "client", "wiring"}},
      {"experiments",
       {"core", "models", "datasets", "transport", "algorithms", "client", "server", "wiring", "edge"}}};
  return rules;
}

std::vector<std::string> includes_of(const SourceFile& file) {
  static const std::regex pattern("(?:^|\n)[ \t]*#include \"([^\"]+)\"");
  std::vector<std::string> found;
  for (std::sregex_iterator it(file.text.begin(), file.text.end(), pattern), end; it != end; ++it)
    found.push_back((*it)[1]);
  return found;
}

TEST(IncludeRules, FoldersIncludeOnlyWhatTheyMay) {
  std::size_t seen = 0;
  for (const SourceFile& file : product_sources())
    for (const std::string& include : includes_of(file)) {
      ++seen;
      const std::string folder = include.substr(0, include.find('/'));
      EXPECT_TRUE(folder == file.folder() || allowed().at(file.folder()).contains(folder))
          << file.path << " includes " << include << ": " << file.folder() << " may not know " << folder;
    }
  EXPECT_GT(seen, 300U) << "the test no longer finds the sources";
}

TEST(IncludeRules, NothingOfTheProductIncludesTests) {
  for (const SourceFile& file : product_sources())
    for (const std::string& include : includes_of(file))
      EXPECT_FALSE(include.starts_with("tests/")) << file.path << " includes " << include;
}

TEST(IncludeRules, IncludesAreWrittenFromTheRoot) {
  for (const SourceFile& file : sources())
    for (const std::string& include : includes_of(file))
      EXPECT_TRUE(std::filesystem::exists(std::string(FEDLOOM_SOURCE_DIR "/") + include) ||
                  std::filesystem::exists(std::string(FEDLOOM_BINARY_DIR "/generated/") + include))
          << file.path << " includes " << include << ", which is not a path from the project's root";
}

// Only the wiring names concrete classes; the rest asks registries.
TEST(IncludeRules, AlgorithmsHaveNoHeadersOfTheirOwn) {
  const std::set<std::string> shared = {"algorithms/algorithm.hpp",       "algorithms/batch_gradient.hpp",
                                        "algorithms/local_objective.hpp", "algorithms/local_training.hpp",
                                        "algorithms/sampler.hpp",         "algorithms/strategy.hpp"};
  for (const SourceFile& file : product_sources()) {
    // What several papers share has a folder of its own (lora/, samplers/ …).
    const bool beside_papers = file.path.find('/') == file.path.rfind('/');
    if (file.folder() != "algorithms" || !file.is_header() || !beside_papers) continue;
    EXPECT_TRUE(shared.contains(file.path)) << file.path << ": one paper is one .cpp file without a header";
  }
}

}  // namespace
}  // namespace fedloom::house
