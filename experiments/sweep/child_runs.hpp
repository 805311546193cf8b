// Copies of this program as children, several at a time, to their end or to a signal. Unlike workers
// (experiments/launcher.hpp) they are never started again. What they do is not known here.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace fedloom {

struct ChildRun {
  std::vector<std::string> arguments;  // without the program's name
  std::string output;                  // file that takes what it prints, emptied before
  bool share_cores = false;            // bound to its share of the cores while others run
};

struct ChildEnd {
  std::size_t child = 0;  // index
  bool good = false;      // exit code 0
  std::string how;        // "exit code 2", "signal 9 (Killed)"
};

/// Runs all, at most `parallel` (at least 1) at a time, started in order, and calls `ended` for each in the
/// order of their ends. A child never outlives this process. When the descriptor `interrupts` becomes
/// readable, no more are started, those that run get one SIGINT, `stopping` hears how many those are, and
/// their ends are awaited; returns false then. Throws UserError when a process cannot be started.
bool run_children(const std::vector<ChildRun>& children, std::size_t parallel, int interrupts,
                  const std::function<void(const ChildEnd&)>& ended,
                  const std::function<void(std::size_t running)>& stopping);

}  // namespace fedloom
