// Running another program and waiting for it: no shell, arguments as a list, no standard input.
// No shell is involved, so nothing in an argument is ever interpreted.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace fedloom {

struct ProgramResult {
  std::string name;      // of the program
  bool found = false;    // false: there is no such program
  bool stopped = false;  // it was killed at the limit
  int exit_code = -1;    // 128 + signal when one ended it
  std::string output;    // the last 8 kB of what it said on both outputs

  bool ok() const { return found && !stopped && exit_code == 0; }
  /// One line for a person: the last line it said without its own name, or how it ended.
  std::string complaint() const;
};

/// `arguments[0]` is looked up on PATH; `folder` is its working folder. About five times a second `tick` is
/// called while it runs; after `limit_seconds` of running it is killed.
ProgramResult run_program(const std::vector<std::string>& arguments, const std::string& folder,
                          int limit_seconds, const std::function<void()>& tick = {});

}  // namespace fedloom
