// Where time and chance come from. The simulation repeats to the bit because nothing but the executor reads a
// clock and nothing but the keyed generator draws numbers; the few other places are named here with a reason.
#include <algorithm>
#include <map>
#include <regex>

#include <gtest/gtest.h>

#include "tests/house/source_tree.hpp"

namespace fedloom::house {
namespace {

struct Ban {
  const char* what;
  const char* pattern;
  std::map<std::string, std::string> allowed;  // file -> reason
};

std::vector<Ban> bans() {
  return {
      {"reads a clock",
       "\\b(steady_clock|system_clock|high_resolution_clock|clock_gettime|gettimeofday|omp_get_wtime)\\b"
       "|\\b(std::)?(time|clock)\\((nullptr|NULL|0|)\\)",
       {{"transport/asio_executor.cpp", "the real executor is the clock"},
        {"experiments/status/status_service.cpp", "how old a page may be before it is made anew"},
        {"edge/guest.cpp", "when a device may train goes by the time of day"},
        {"experiments/run.cpp", "wall time of day for TensorBoard files, which are not hashed"}}},
      {"sleeps",
       "\\b(sleep_for|sleep_until|usleep|nanosleep|sleep)\\s*\\(",
       {{"experiments/launcher.cpp", "waits for worker processes that are ending"}}},
      {"draws from the system or the standard library",
       "\\b(random_device|mt19937(_64)?|minstd_rand0?|default_random_engine|ranlux\\w+|knuth_b)\\b"
       "|\\bstd::\\w+_distribution\\b|\\bstd::(ranges::)?(shuffle|sample)\\b|\\b(rand|srand|drand48|random)"
       "\\(\\)",
       {{"transport/channel.cpp", "tells two runs of one program apart on a socket; results do not see it"},
        {"wiring/secret.cpp", "what hides data of a deployed federation must be nobody's guess"}}},
  };
}

TEST(Purity, TimeAndChanceComeThroughTheirDoors) {
  for (const Ban& ban : bans()) {
    std::map<std::string, std::string> unused = ban.allowed;
    const std::regex pattern(ban.pattern);
    for (const SourceFile& file : product_sources()) {
      const std::string code = code_of(file);
      for (std::sregex_iterator it(code.begin(), code.end(), pattern), end; it != end; ++it) {
        unused.erase(file.path);
        EXPECT_TRUE(ban.allowed.contains(file.path))
            << place(file, static_cast<std::size_t>(it->position())) << " " << ban.what << ": " << it->str();
      }
    }
    for (const auto& [path, reason] : unused)
      ADD_FAILURE() << path << " no longer " << ban.what << "; take it off the list";
  }
}

// Fast-math lets the compiler reorder sums, and then builds differ.
TEST(Purity, NobodyAsksForFastMath) {
  const std::string flag = std::string("-ff") + "ast-math";
  for (const SourceFile& file : files_ending_in({".txt", ".cmake", ".json"}))
    for (const std::string& line : file.lines())
      EXPECT_TRUE(line.find(flag) == std::string::npos || line.find('#') < line.find(flag))
          << file.path << ": " << line;
}

}  // namespace
}  // namespace fedloom::house
