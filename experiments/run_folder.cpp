// A lock of the kernel (flock) on a file in the folder: it goes with the process, also by kill -9.
#include "experiments/run_folder.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.hpp"

namespace fedloom {

namespace {

namespace fs = std::filesystem;

// The file may have been removed by its owner before us between our open and our lock.
bool is_still(int descriptor, const std::string& file) {
  struct stat ours {};
  struct stat there {};
  return ::fstat(descriptor, &ours) == 0 && ::stat(file.c_str(), &there) == 0 &&
         ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

std::string owner(int descriptor) {
  std::string number(32, '\0');
  const ssize_t size = ::pread(descriptor, number.data(), number.size(), 0);
  number.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return number.empty() ? "another process" : "process " + number;
}

}  // namespace

RunFolder::RunFolder(std::string path) : path_(std::move(path)) {
  make();
  lock();
}

void RunFolder::make() {
  std::error_code error;
  for (fs::path missing = path_; !missing.empty() && !fs::exists(missing, error);
       missing = missing.parent_path())
    made_.insert(made_.begin(), missing.string());
  fs::create_directories(path_, error);
  if (error) throw user_error("{}: cannot be made: {}", path_, error.message());
}

void RunFolder::lock() {
  const std::string file = path_ + "/lock";
  while (lock_ < 0) {
    // Closed on exec: workers that outlive us for a moment must not keep the lock.
    const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor < 0) throw user_error("{}: cannot be written: {}", file, std::strerror(errno));
    if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
      const int failure = errno;
      const std::string who = owner(descriptor);
      ::close(descriptor);
      if (failure != EWOULDBLOCK) throw user_error("{}: cannot be locked: {}", file, std::strerror(failure));
      throw user_error("{} is running in {}; wait for it to end, or give another --out", who, path_);
    }
    if (is_still(descriptor, file))
      lock_ = descriptor;
    else
      ::close(descriptor);
  }
  const std::string number = std::to_string(::getpid());
  // The number is only for the error above; the lock holds without it.
  if (::ftruncate(lock_, 0) == 0) (void)!::pwrite(lock_, number.data(), number.size(), 0);
}

RunFolder::~RunFolder() {
  std::error_code ignored;
  fs::remove(path_ + "/lock", ignored);  // while it is still ours
  // Only empty ones go.
  for (; !begun_ && !made_.empty(); made_.pop_back()) fs::remove(made_.back(), ignored);
  ::close(lock_);
}

void RunFolder::expect_no_unfinished_run() const {
  const std::string checkpoints = path_ + "/checkpoints";
  const bool resumable =
      fs::exists(path_ + "/events.jsonl") && fs::exists(checkpoints) && !fs::is_empty(checkpoints);
  if (resumable && !fs::exists(path_ + "/summary.json"))
    throw user_error("{}: holds an unfinished run; continue it with --resume, or give another --out", path_);
}

void RunFolder::begin(bool fresh) {
  begun_ = true;
  if (!fresh) return;
  // The logs are emptied by those who open them; these would stand beside another run's logs.
  for (const char* name : {"checkpoints", "clients", "secret", "tensorboard", "stages.csv", "summary.json",
                           "model.safetensors", "report.html"}) {
    std::error_code error;
    fs::remove_all(path_ + "/" + name, error);
    if (error) throw user_error("{}/{}: cannot be removed: {}", path_, name, error.message());
  }
}

}  // namespace fedloom
