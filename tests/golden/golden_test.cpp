// Whole runs against their recorded event logs: who was chosen, when what ended with which verdict, every
// byte count exactly; losses and accuracies within what other vector widths may change. A difference is a
// change in behaviour: when it is meant, record anew and say why in the commit:
//   FEDLOOM_GOLDEN=record build/release/tests/test_golden
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include <nlohmann/json.hpp>

#include "tests/support/paths.hpp"
#include "tests/support/program.hpp"

namespace fedloom::testing {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// Float sums in another order differ in the seventh digit; a few rounds of training spread that.
constexpr double kTolerance = 1e-3;

std::string golden(const std::string& file) {
  return std::string(FEDLOOM_SOURCE_DIR "/tests/golden/") + file;
}

std::vector<std::string> jobs() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(golden("")))
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem());
  std::sort(names.begin(), names.end());
  return names;
}

void expect_same(const Json& found, const Json& wanted, const std::string& where) {
  if (found.is_number() && wanted.is_number() && (found.is_number_float() || wanted.is_number_float())) {
    const double value = wanted.get<double>();
    EXPECT_NEAR(found.get<double>(), value, kTolerance * std::max(1.0, std::abs(value))) << where;
  } else if (found.is_array() && wanted.is_array() && found.size() == wanted.size()) {
    for (std::size_t i = 0; i < found.size(); ++i)
      expect_same(found[i], wanted[i], where + "[" + std::to_string(i) + "]");
  } else if (found.is_object() && wanted.is_object()) {
    for (const auto& [key, value] : wanted.items())
      expect_same(found.value(key, Json()), value, where + "." + key);
    EXPECT_EQ(found.size(), wanted.size()) << where << ": " << found << " against " << wanted;
  } else {
    EXPECT_EQ(found, wanted) << where;
  }
}

/// The events without hashes of floats, which only this machine type repeats.
std::vector<Json> events(const std::string& file) {
  std::vector<Json> events;
  std::istringstream lines(contents(file));
  for (std::string line; std::getline(lines, line);) {
    events.push_back(Json::parse(line));
    events.back().erase("model_hash");
  }
  return events;
}

class Golden : public ::testing::TestWithParam<std::string> {};

TEST_P(Golden, RunIsTheRecordedOne) {
  const TempFolder folder;
  const std::string name = GetParam();
  const Ended ended = finish({"run", golden(name + ".yaml"), "--transport", "inproc", "--quiet",
                              "--no-report", "--out", folder / "run"});
  ASSERT_EQ(ended.code, 0) << ended.err;
  const std::string recorded = golden(name + ".jsonl");
  if (const char* wish = std::getenv("FEDLOOM_GOLDEN"); wish != nullptr && std::string(wish) == "record")
    fs::copy_file(folder / "run/events.jsonl", recorded, fs::copy_options::overwrite_existing);
  const std::vector<Json> found = events(folder / "run/events.jsonl");
  const std::vector<Json> wanted = events(recorded);
  ASSERT_GT(wanted.size(), 10U) << recorded;
  EXPECT_EQ(found.size(), wanted.size());
  for (std::size_t i = 0; i < std::min(found.size(), wanted.size()) && !HasFailure(); ++i)
    expect_same(found[i], wanted[i], name + ".jsonl:" + std::to_string(i + 1));
}

INSTANTIATE_TEST_SUITE_P(Jobs, Golden, ::testing::ValuesIn(jobs()),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace fedloom::testing
