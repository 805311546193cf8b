// posix_spawn, one pipe for both outputs, and poll as the only clock.
#include "datasets/subprocess.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/error.hpp"

namespace fedloom {

namespace {

constexpr std::size_t kKept = 8192;
constexpr int kTickMilliseconds = 200;

struct SpawnActions {
  posix_spawn_file_actions_t value;
  SpawnActions() { posix_spawn_file_actions_init(&value); }
  ~SpawnActions() { posix_spawn_file_actions_destroy(&value); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
};

/// 0, or the reason why it did not start.
int spawn(const std::vector<std::string>& arguments, const std::string& folder, int output, pid_t& child) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  SpawnActions actions;
  posix_spawn_file_actions_addopen(&actions.value, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions.value, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions.value, output, STDERR_FILENO);
  posix_spawn_file_actions_addchdir_np(&actions.value, folder.c_str());
  return posix_spawnp(&child, argv[0], &actions.value, nullptr, argv.data(), environ);
}

/// Collects output until the program closes it; true when the limit came first.
bool drain(int input, pid_t child, int limit_seconds, const std::function<void()>& tick,
           std::string& output) {
  std::array<char, 4096> chunk{};
  long waited = 0;
  bool stopped = false;
  while (true) {
    pollfd ready{input, POLLIN, 0};
    const int count = poll(&ready, 1, kTickMilliseconds);
    if (count < 0 && errno != EINTR) break;
    if (count <= 0) {
      if (tick) tick();
      waited += kTickMilliseconds;
      if (!stopped && waited >= 1000L * limit_seconds) {
        stopped = true;
        kill(child, SIGKILL);
      }
      continue;
    }
    const ssize_t got = read(input, chunk.data(), chunk.size());
    if (got <= 0) break;
    output.append(chunk.data(), static_cast<std::size_t>(got));
    if (output.size() > 2 * kKept) output.erase(0, output.size() - kKept);
  }
  return stopped;
}

}  // namespace

ProgramResult run_program(const std::vector<std::string>& arguments, const std::string& folder,
                          int limit_seconds, const std::function<void()>& tick) {
  FEDLOOM_CHECK(!arguments.empty(), "no program named");
  ProgramResult result;
  result.name = arguments[0];
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0)
    throw user_error("cannot start {}: no pipe: error {}", arguments[0], errno);
  pid_t child = 0;
  const int failure = spawn(arguments, folder, ends[1], child);
  close(ends[1]);
  if (failure != 0) {
    close(ends[0]);
    result.output = failure == ENOENT ? "" : fmt::format("it cannot be started: error {}", failure);
    return result;
  }
  result.found = true;
  result.stopped = drain(ends[0], child, limit_seconds, tick, result.output);
  close(ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  // The C library reports a missing program this way where it cannot before the fork.
  if (result.exit_code == 127 && result.output.empty()) result.found = false;
  return result;
}

std::string ProgramResult::complaint() const {
  if (!found) return output.empty() ? "the program is not installed" : output;
  if (stopped) return "it took too long";
  std::string_view text = output;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
    text.remove_suffix(1);
  const std::size_t start = text.rfind('\n');
  if (start != std::string_view::npos) text.remove_prefix(start + 1);
  if (text.starts_with(name + ": ")) text.remove_prefix(name.size() + 2);
  return text.empty() ? fmt::format("it ended with code {}", exit_code) : std::string(text.substr(0, 300));
}

}  // namespace fedloom
