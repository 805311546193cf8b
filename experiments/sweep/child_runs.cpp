// fork, a death signal tied to the parent, exec of this same program; process descriptors tell of ends, so
// that nothing is polled by time.
#include "experiments/sweep/child_runs.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/error.hpp"
#include "wiring/core_shares.hpp"

namespace fedloom {

namespace {

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }

 private:
  int number_;
};

struct Running {
  std::size_t child = 0;
  std::size_t slot = 0;
  pid_t process = -1;
  Descriptor handle;
};

// In the child, between fork and exec: async-signal-safe calls only.
[[noreturn]] void become(char* const* argv, int output, int nothing, pid_t parent,
                         const std::vector<int>& cores) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);  // the parent died before the line above
  // Out of the terminal's reach: Ctrl-C is passed on by the parent, once.
  setpgid(0, 0);
  if (!cores.empty()) bind_to_cores(cores);
  dup2(nothing, 0);
  dup2(output, 1);
  dup2(output, 2);
  execv("/proc/self/exe", argv);
  _exit(127);
}

pid_t start(const ChildRun& run, const std::vector<int>& cores) {
  std::vector<std::string> words = {"fedloom"};
  words.insert(words.end(), run.arguments.begin(), run.arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const Descriptor output(::open(run.output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (output.number() < 0) throw user_error("{}: cannot be written: {}", run.output, std::strerror(errno));
  const Descriptor nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const pid_t parent = getpid();
  const pid_t process = fork();
  if (process < 0) throw user_error("cannot start a run: {}", std::strerror(errno));
  if (process == 0) become(argv.data(), output.number(), nothing.number(), parent, cores);
  return process;
}

std::string how_it_ended(int status) {
  if (WIFEXITED(status)) return fmt::format("exit code {}", WEXITSTATUS(status));
  if (!WIFSIGNALED(status)) return "ended";
  const int signal = WTERMSIG(status);
  return fmt::format("signal {} ({}){}", signal, strsignal(signal),
                     signal == SIGKILL ? "; the system may be out of memory" : "");
}

class Children {
 public:
  Children(const std::vector<ChildRun>& children, std::size_t slots) : children_(children), slots_(slots) {}
  Children(const Children&) = delete;
  Children& operator=(const Children&) = delete;
  // Only after an exception is there anything left.
  ~Children() {
    for (const Running& running : running_) {
      kill(running.process, SIGKILL);
      waitpid(running.process, nullptr, 0);
    }
  }

  bool run(int interrupts, const std::function<void(const ChildEnd&)>& ended,
           const std::function<void(std::size_t)>& stopping);

 private:
  void fill();
  void start_next(std::size_t slot);
  std::vector<ChildEnd> reap();

  const std::vector<ChildRun>& children_;
  std::size_t slots_;
  std::vector<int> cores_ = usable_cores();
  std::vector<Running> running_;
  std::size_t next_ = 0;
};

void Children::start_next(std::size_t slot) {
  const ChildRun& run = children_[next_];
  Running running;
  running.child = next_++;
  running.slot = slot;
  running.process =
      start(run, run.share_cores && slots_ > 1 ? core_share(cores_, slots_, slot) : std::vector<int>());
  running_.push_back(std::move(running));
  // By number: the C library of Debian 12 has the call, others may only have the kernel's.
  running_.back().handle = Descriptor(static_cast<int>(syscall(SYS_pidfd_open, running_.back().process, 0)));
  if (running_.back().handle.number() < 0) throw user_error("cannot watch a run: {}", std::strerror(errno));
}

void Children::fill() {
  for (std::size_t slot = 0; slot < slots_ && next_ < children_.size(); ++slot)
    if (std::none_of(running_.begin(), running_.end(), [&](const Running& r) { return r.slot == slot; }))
      start_next(slot);
}

std::vector<ChildEnd> Children::reap() {
  std::vector<ChildEnd> ends;
  std::erase_if(running_, [&](const Running& running) {
    int status = 0;
    if (waitpid(running.process, &status, WNOHANG) != running.process) return false;
    ends.push_back({running.child, WIFEXITED(status) && WEXITSTATUS(status) == 0, how_it_ended(status)});
    return true;
  });
  return ends;
}

bool readable(int descriptor) {
  pollfd one{descriptor, POLLIN, 0};
  return poll(&one, 1, 0) > 0;
}

bool Children::run(int interrupts, const std::function<void(const ChildEnd&)>& ended,
                   const std::function<void(std::size_t)>& stopping) {
  bool interrupted = readable(interrupts);
  for (;;) {
    if (!interrupted) fill();
    if (running_.empty()) return !interrupted;
    std::vector<pollfd> waiting;
    for (const Running& running : running_) waiting.push_back({running.handle.number(), POLLIN, 0});
    waiting.push_back({interrupted ? -1 : interrupts, POLLIN, 0});  // poll leaves out negative numbers
    if (poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR)
      throw user_error("cannot wait for runs: {}", std::strerror(errno));
    if (waiting.back().revents != 0) {
      interrupted = true;
      stopping(running_.size());
      for (const Running& running : running_) kill(running.process, SIGINT);
    }
    for (const ChildEnd& end : reap()) ended(end);
  }
}

}  // namespace

bool run_children(const std::vector<ChildRun>& children, std::size_t parallel, int interrupts,
                  const std::function<void(const ChildEnd&)>& ended,
                  const std::function<void(std::size_t running)>& stopping) {
  return Children(children, std::min(parallel, children.size())).run(interrupts, ended, stopping);
}

}  // namespace fedloom
