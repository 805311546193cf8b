// fork, exec, two pipes, one thread that reads them and one that waits for the end.
#include "tests/support/process.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fedloom::testing {

namespace {

std::array<int, 2> make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  return ends;
}

struct Stat {
  char state = 'X';  // of a process that is gone
  pid_t parent = -1;
};

Stat stat_of(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string line;
  std::getline(file, line);
  const std::size_t name_end = line.rfind(')');  // the name may hold anything
  Stat stat;
  if (name_end != std::string::npos)
    std::sscanf(line.c_str() + name_end + 1, " %c %d", &stat.state, &stat.parent);
  return stat;
}

}  // namespace

Process::Process(std::vector<std::string> words, const std::string& in) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const auto out = make_pipe();
  const auto err = make_pipe();
  if (pipe2(stop_, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  const pid_t parent = getpid();
  id_ = fork();
  if (id_ < 0) throw std::runtime_error("fork");
  if (id_ == 0) {  // only async-signal-safe calls from here to exec
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(125);
    if (!in.empty() && chdir(in.c_str()) != 0) _exit(126);
    dup2(out[1], 1);
    dup2(err[1], 2);
    const int nothing = open("/dev/null", O_RDONLY);
    dup2(nothing, 0);
    execv(argv[0], argv.data());
    _exit(127);
  }
  setpgid(id_, id_);  // by both, so that neither has to wait for the other
  close(out[1]);
  close(err[1]);
  reader_ = std::jthread([this, out, err] { read(out[0], err[0]); });
  reaper_ = std::jthread([this] { reap(); });
}

Process::~Process() {
  ::kill(-id_, SIGKILL);
  reaper_.join();
  close(stop_[1]);
  reader_.join();
  close(stop_[0]);
}

void Process::read(int out, int err) {
  std::array<pollfd, 3> waits = {{{out, POLLIN, 0}, {err, POLLIN, 0}, {stop_[0], POLLIN, 0}}};
  std::array<char, 4096> buffer{};
  while ((waits[0].fd >= 0 || waits[1].fd >= 0) && poll(waits.data(), waits.size(), -1) > 0) {
    if (waits[0].revents == 0 && waits[1].revents == 0) break;  // told to stop, and nothing is left to read
    for (std::size_t i = 0; i < 2; ++i) {
      if (waits[i].revents == 0) continue;
      const ssize_t count = ::read(waits[i].fd, buffer.data(), buffer.size());
      const std::scoped_lock lock(mutex_);
      if (count > 0)
        (i == 0 ? result_.out : result_.err).append(buffer.data(), static_cast<std::size_t>(count));
      else
        waits[i].fd = -1;
      changed_.notify_all();
    }
  }
  close(out);
  close(err);
  const std::scoped_lock lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

void Process::reap() {
  siginfo_t info{};
  while (waitid(P_PID, static_cast<id_t>(id_), &info, WEXITED | WNOWAIT) != 0) {
  }
  // Its number is free from here on, so nobody may signal it meanwhile.
  const std::scoped_lock lock(mutex_);
  int status = 0;
  waitpid(id_, &status, 0);
  if (WIFEXITED(status))
    result_.code = WEXITSTATUS(status);
  else
    result_.signal = WTERMSIG(status);
  ended_ = true;
  changed_.notify_all();
}

bool Process::running() const {
  const std::scoped_lock lock(mutex_);
  return !ended_;
}

void Process::signal(int number) {
  const std::scoped_lock lock(mutex_);
  if (!ended_) ::kill(id_, number);
}

void Process::signal_group(int number) { ::kill(-id_, number); }

std::optional<Ended> Process::wait_for(std::chrono::nanoseconds patience) {
  std::unique_lock lock(mutex_);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  if (!changed_.wait_until(lock, deadline, [this] { return ended_; })) return std::nullopt;
  // Children that live on hold the pipes open; their lines are not waited for longer than this.
  changed_.wait_for(lock, std::chrono::seconds(5), [this] { return closed_; });
  return result_;
}

Ended Process::wait() {
  if (auto ended = wait_for(kPatience)) return *ended;
  signal_group(SIGKILL);
  Ended late = wait_for(kPatience).value_or(Ended{});
  late.err += "\n(the test killed it: it did not end by itself)\n";
  return late;
}

std::string Process::wait_for_line(const std::string& text) {
  std::unique_lock lock(mutex_);
  std::string line;
  const auto found = [&] {
    const std::size_t at = result_.err.find(text);
    if (at == std::string::npos) return closed_;
    const std::size_t end = result_.err.find('\n', at);
    if (end == std::string::npos) return closed_;
    const std::size_t newline = result_.err.rfind('\n', at);
    const std::size_t begin = newline == std::string::npos ? 0 : newline + 1;
    line = result_.err.substr(begin, end - begin);
    return true;
  };
  changed_.wait_for(lock, kPatience, found);
  return line;
}

std::string Process::err() const {
  const std::scoped_lock lock(mutex_);
  return result_.err;
}

std::vector<pid_t> Process::children() const {
  std::vector<pid_t> children;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (!std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isdigit(c) != 0; }))
      continue;
    const pid_t process = std::stoi(name);
    const Stat stat = stat_of(process);
    if (stat.parent == id_ && stat.state != 'Z' && stat.state != 'X') children.push_back(process);
  }
  std::sort(children.begin(), children.end());
  return children;
}

bool exists(pid_t process) {
  const char state = stat_of(process).state;
  return state != 'X' && state != 'Z';
}

bool eventually(const std::function<bool()>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    const timespec pause{0, 1'000'000};
    nanosleep(&pause, nullptr);
  }
  return true;
}

}  // namespace fedloom::testing
