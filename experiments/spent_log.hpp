// The file of a deployed private run in which every task stands before it goes out, with what it costs its
// client: what a run that is killed in the middle of a round has given out.
#pragma once

#include <string>
#include <vector>

#include "experiments/sinks/output_file.hpp"
#include "server/spent_task.hpp"

namespace fedloom {

class SpentLog {
 public:
  /// Begins with an empty file, or (`resume`) goes on with the one that is there. Throws UserError when it
  /// cannot be written, or a line of it is not one of ours.
  SpentLog(const std::string& file, bool resume);

  /// What the file held at the start.
  const std::vector<SpentTask>& before() const { return before_; }
  /// Is on the disk when this returns. Throws UserError when that cannot be.
  void add(const SpentTask& task);

 private:
  OutputFile file_;
  std::vector<SpentTask> before_;
};

}  // namespace fedloom
