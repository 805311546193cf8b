// The documented experiment in a folder of its own, run by a program of the caller's choice. For the tests of
// this folder, which compare the same strategy built in, loaded in tree and built elsewhere.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/file.hpp"
#include "datasets/subprocess.hpp"

namespace fedloom {

/// A folder that is gone after the test.
class SignumJob : public ::testing::Test {
 public:
  SignumJob() {
    std::string name = (std::filesystem::temp_directory_path() / "fedloom-signum-XXXXXX").string();
    FEDLOOM_CHECK(mkdtemp(name.data()) != nullptr, "no temporary folder {}", name);
    folder_ = name;
  }
  ~SignumJob() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

 protected:
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  /// Writes the documented experiment with `plugin` in the place of its plug-in; "" takes that line out.
  void write_experiment(const std::string& plugin) const {
    std::string text = read_file(FEDLOOM_DOCUMENTED_DIR "/signum.yaml");
    const std::size_t end = text.find('\n') + 1;
    EXPECT_TRUE(text.starts_with("plugins: [")) << text;
    text.replace(0, end, plugin.empty() ? "" : fmt::format("plugins: [{}]\n", plugin));
    write_file_atomically(path("signum.yaml"), text, false);
  }

  ProgramResult run(const std::string& program, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {program,       "run",   "signum.yaml", "--quiet",
                                      "--no-report", "--out", "out"};
    words.insert(words.end(), more.begin(), more.end());
    std::filesystem::remove_all(folder_ / "out");
    return run_program(words, folder_.string(), 120);
  }

  /// The model hash of a run that must succeed.
  std::string model_hash(const std::string& program, const std::vector<std::string>& more = {}) const {
    const ProgramResult result = run(program, more);
    EXPECT_TRUE(result.ok()) << result.output;
    if (!result.ok()) return "";
    return nlohmann::json::parse(read_file(path("out/summary.json"))).at("model_hash");
  }

  std::filesystem::path folder_;
};

}  // namespace fedloom
