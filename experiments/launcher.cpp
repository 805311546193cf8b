// fork, a death signal tied to the parent, and exec of this same program.
#include "experiments/launcher.hpp"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <ctime>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/error.hpp"

namespace fedloom {

namespace {

std::string how_it_ended(int status) {
  if (WIFEXITED(status)) return fmt::format("exit code {}", WEXITSTATUS(status));
  if (!WIFSIGNALED(status)) return "ended";
  const int signal = WTERMSIG(status);
  return fmt::format("signal {} ({}){}", signal, strsignal(signal),
                     signal == SIGKILL ? "; the system may be out of memory" : "");
}

}  // namespace

WorkerLauncher::WorkerLauncher(std::vector<std::string> arguments, std::size_t count)
    : arguments_(std::move(arguments)) {
  for (std::size_t i = 0; i < count; ++i) processes_.push_back(start());
}

WorkerLauncher::~WorkerLauncher() {
  // Workers that were told goodbye leave by themselves; two seconds are plenty.
  for (int tries = 0; tries < 200; ++tries) {
    // Gone is also what is no child of ours any more.
    std::erase_if(processes_, [](pid_t process) { return waitpid(process, nullptr, WNOHANG) != 0; });
    if (processes_.empty()) return;
    if (tries == 0 && !ending_)
      for (const pid_t process : processes_) kill(process, SIGTERM);
    const timespec pause{0, 10'000'000};
    nanosleep(&pause, nullptr);
  }
  for (const pid_t process : processes_) {
    kill(process, SIGKILL);
    waitpid(process, nullptr, 0);
  }
}

pid_t WorkerLauncher::start() const {
  std::vector<std::string> words = {"fedloom"};
  words.insert(words.end(), arguments_.begin(), arguments_.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t process = fork();
  if (process < 0) throw user_error("cannot start a worker process: {}", std::strerror(errno));
  if (process > 0) return process;
  // Only async-signal-safe calls from here to exec.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);  // the parent died before the line above
  execv("/proc/self/exe", argv.data());
  _exit(127);
}

void WorkerLauncher::watch(const Died& died) {
  if (ending_) return;
  const std::size_t patience = 4 * processes_.size() + 4;
  for (std::size_t i = 0; i < processes_.size(); ++i) {
    int status = 0;
    const pid_t process = processes_[i];
    if (waitpid(process, &status, WNOHANG) != process) continue;
    // At once, whatever is thrown below: from here on its number may be somebody else's.
    const auto place = processes_.erase(processes_.begin() + static_cast<std::ptrdiff_t>(i));
    const std::string how = how_it_ended(status);
    died(process, how);
    // Exit code 2 is a user error that the worker has already explained: doing it again helps nobody.
    if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
      throw user_error("a worker could not start (see above)");
    if (++deaths_ > patience)
      throw user_error("workers keep dying ({} in one round); the last one: {}", deaths_, how);
    processes_.insert(place, start());
  }
}

}  // namespace fedloom
