// A real child process under a deadline: what it printed, how it ended, and the power to kill it or the
// whole family it started. It never outlives its owner, nor the test program.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <sys/types.h>

namespace fedloom::testing {

/// Long enough for a loaded machine under sanitizers. Reaching it is a failure, never a pass.
inline constexpr std::chrono::seconds kPatience{120};

struct Ended {
  int code = -1;    // exit code; -1 when a signal ended it
  int signal = 0;   // 0 when it exited
  std::string out;  // all of stdout
  std::string err;
};

class Process {
 public:
  /// Starts words[0] with its arguments, in a process group of its own, in folder `in` ("" is ours).
  explicit Process(std::vector<std::string> words, const std::string& in = "");
  /// Kills what is left of the group.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t id() const { return id_; }
  bool running() const;
  /// To this process alone; nothing happens when it has ended.
  void signal(int number);
  /// To it and everything it started.
  void signal_group(int number);

  /// How it ended, or nothing when it still runs at the end of `patience`.
  std::optional<Ended> wait_for(std::chrono::nanoseconds patience);
  /// The same, but a process that does not end in kPatience is killed and reported as signal 9 with a note
  /// in err.
  Ended wait();
  /// The first line of stderr that contains `text`, as soon as it is there; "" when the process ended or
  /// kPatience passed without it.
  std::string wait_for_line(const std::string& text);
  std::string err() const;

  /// Processes whose parent is this one, ascending.
  std::vector<pid_t> children() const;

 private:
  void read(int out, int err);
  void reap();

  pid_t id_ = -1;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;
  bool closed_ = false;  // both pipes are at their end
  Ended result_;
  int stop_[2] = {-1, -1};
  std::jthread reader_;
  std::jthread reaper_;
};

/// Whether a process exists and is not a zombie.
bool exists(pid_t process);
/// Waits until `holds`, asking every millisecond; false after kPatience.
bool eventually(const std::function<bool()>& holds);

}  // namespace fedloom::testing
