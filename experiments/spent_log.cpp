// One line for each task: window, client, task, runs, examples, work. A last line without its end was never
// acted upon, as the task waits for it.
#include "experiments/spent_log.hpp"

#include <filesystem>
#include <sstream>

#include <fmt/format.h>

#include "core/error.hpp"
#include "core/file.hpp"

namespace fedloom {

namespace {

std::vector<SpentTask> read_tasks(const std::string& file) {
  std::vector<SpentTask> tasks;
  std::istringstream lines(read_file(file));
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    std::istringstream words(line);
    SpentTask task;
    words >> task.window >> task.id.client >> task.id.number >> task.runs >> task.examples >> std::hex >>
        task.work;
    if (!words || !(words >> std::ws).eof() || task.window == 0 || task.runs <= 0)
      throw user_error(
          "{}:{}: expected window, client, task, runs, examples and a hash, found '{}'; without it nobody "
          "knows "
          "what the run has spent of its clients' privacy since the checkpoint",
          file, number, line);
    tasks.push_back(task);
  }
  return tasks;
}

OutputFile open(const std::string& file, bool resume) {
  return resume ? OutputFile::extend(file) : OutputFile::create(file);
}

}  // namespace

SpentLog::SpentLog(const std::string& file, bool resume)
    : file_(open(file, resume)), before_(read_tasks(file)) {}

void SpentLog::add(const SpentTask& task) {
  file_.append(fmt::format("{} {} {} {} {} {:016x}\n", task.window, task.id.client, task.id.number, task.runs,
                           task.examples, task.work));
  file_.sync();
}

}  // namespace fedloom
