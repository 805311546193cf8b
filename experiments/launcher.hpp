// Worker processes: started, watched, started again when they die, and never outliving their parent.
// It knows processes and exit codes, nothing of what workers do.
#pragma once

#include <sys/types.h>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace fedloom {

class WorkerLauncher {
 public:
  /// Told when a worker's process has ended, before it is replaced.
  using Died = std::function<void(std::int64_t process, const std::string& how)>;

  /// Starts `count` copies of this program with `arguments` (without the program's name).
  WorkerLauncher(std::vector<std::string> arguments, std::size_t count);
  /// Ends workers that are still there, gently and then by force.
  ~WorkerLauncher();

  /// Notices ended workers and replaces them. Throws UserError with the cause when they keep dying.
  void watch(const Died& died);
  /// Work got done: earlier deaths no longer count against the limit.
  void forgive() { deaths_ = 0; }
  /// Workers end by themselves from here on; their ends are not reported.
  void expect_end() { ending_ = true; }
  const std::vector<pid_t>& processes() const { return processes_; }

 private:
  pid_t start() const;

  std::vector<std::string> arguments_;
  std::vector<pid_t> processes_;
  std::size_t deaths_ = 0;
  bool ending_ = false;
};

}  // namespace fedloom
