// The built program as tests use it: start a verb on the small job, read what is in its run folder.
#pragma once

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "experiments/sinks/run_summary.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_folder.hpp"

namespace fedloom::testing {

using Words = std::vector<std::string>;

inline const char* const kProgram = FEDLOOM_BINARY_DIR "/fedloom";
inline const char* const kSmallJob = FEDLOOM_SOURCE_DIR "/experiments/smoke/softmax_synthetic.yaml";

inline Words operator+(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// {"a=1", "b=2"} as the program takes it.
inline Words set(const Words& assignments) {
  Words words;
  for (const std::string& assignment : assignments) words = words + Words{"--set", assignment};
  return words;
}

inline std::unique_ptr<Process> start(const Words& words, const std::string& in = "") {
  return std::make_unique<Process>(Words{kProgram} + words, in);
}

/// Runs the program to its end.
inline Ended finish(const Words& words, const std::string& in = "") { return start(words, in)->wait(); }

/// What every machine must agree on.
struct Outcome {
  std::string model_hash;
  std::string events_hash;
  bool operator==(const Outcome&) const = default;
};

inline void PrintTo(const Outcome& outcome, std::ostream* out) {
  *out << "model " << outcome.model_hash.substr(0, 12) << " events " << outcome.events_hash.substr(0, 12);
}

inline Outcome outcome_of(const std::string& folder) {
  const RunSummary summary = read_summary(folder + "/summary.json");
  EXPECT_EQ(summary.model_hash.size(), 64U);
  EXPECT_EQ(summary.events_hash.size(), 64U);
  return {summary.model_hash, summary.events_hash};
}

/// `fedloom run` on the small job with these words, into `folder`; it must end well.
inline Outcome run_job(const std::string& folder, const Words& words) {
  const Ended ended = finish(Words{"run", kSmallJob, "--quiet", "--no-report", "--out", folder} + words);
  EXPECT_EQ(ended.code, 0) << ended.err;
  return ended.code == 0 ? outcome_of(folder) : Outcome{};
}

inline std::string contents(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// How often `text` stands in a file; 0 when there is none.
inline std::size_t occurrences(const std::string& file, const std::string& text) {
  const std::string bytes = contents(file);
  std::size_t count = 0;
  for (std::size_t at = bytes.find(text); at != std::string::npos; at = bytes.find(text, at + 1)) ++count;
  return count;
}

/// Waits until the run in `folder` has closed this many rounds (over all its processes).
inline bool wait_for_rounds(const std::string& folder, std::size_t rounds) {
  return eventually([&] { return occurrences(folder + "/run.jsonl", "\"event\":\"machine\"") >= rounds; });
}

}  // namespace fedloom::testing
