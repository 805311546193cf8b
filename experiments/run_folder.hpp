// The folder of one run, held by one process at a time: two that write the same files would spoil both runs.
// What the files in it mean is known to those who write them (sinks, checkpoints, client stores).
#pragma once

#include <string>

namespace fedloom {

class RunFolder {
 public:
  /// Makes the folder where it is missing and takes it for this process. Throws UserError when it cannot be
  /// made, or names the process that has it. However that process ends, the folder is free then.
  explicit RunFolder(std::string path);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  void lock();

  std::string path_;
  int lock_ = -1;
};

}  // namespace fedloom
