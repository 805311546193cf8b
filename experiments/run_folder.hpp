// The folder of one run, held by one process at a time: two that write the same files would spoil both runs.
// What the files in it mean is known to those who write them (sinks, checkpoints, client stores).
#pragma once

#include <string>
#include <vector>

namespace fedloom {

class RunFolder {
 public:
  /// Makes the folder where it is missing and takes it for this process. Throws UserError when it cannot be
  /// made, or names the process that has it. However that process ends, the folder is free then.
  explicit RunFolder(std::string path);
  /// A run that never began leaves no folder that it made.
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::string& path() const { return path_; }
  /// Throws UserError when it holds a run that could be resumed and has not ended.
  void expect_no_unfinished_run() const;
  /// The run begins: nothing can refuse it any more. A fresh one clears what the run before it left.
  void begin(bool fresh);

 private:
  void make();
  void lock();

  std::string path_;
  std::vector<std::string> made_;  // folders that were missing, outermost first
  bool begun_ = false;
  int lock_ = -1;
};

}  // namespace fedloom
