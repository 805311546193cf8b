// OutputFile over POSIX descriptors: the C++ streams hide both how much of a write succeeded and fsync.
#include "experiments/sinks/output_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/error.hpp"
#include "core/open_files.hpp"

namespace fedloom {

namespace {

constexpr std::size_t kBufferBytes = 64 * 1024;

std::string cause() {
  return std::strerror(errno);
}  // NOLINT(concurrency-mt-unsafe): one thread owns the file

// Writes until done or failed; returns the number of bytes that went out. errno tells why it stopped.
std::size_t write_some(int descriptor, std::string_view bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::write(descriptor, bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

std::uint64_t length_of(int descriptor) {
  struct stat status {};
  return ::fstat(descriptor, &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

// The position after the last newline before `length`.
std::uint64_t end_of_last_line(int descriptor, std::uint64_t length) {
  std::string block(kBufferBytes, '\0');
  while (length > 0) {
    const std::uint64_t begin = length > block.size() ? length - block.size() : 0;
    const ssize_t count = ::pread(descriptor, block.data(), length - begin, static_cast<off_t>(begin));
    if (count <= 0) return length;
    const std::size_t newline = std::string_view(block.data(), static_cast<std::size_t>(count)).rfind('\n');
    if (newline != std::string_view::npos) return begin + newline + 1;
    length = begin;
  }
  return 0;
}

}  // namespace

OutputFile::OutputFile(std::string path, int descriptor, std::uint64_t length)
    : path_(std::move(path)), descriptor_(descriptor), written_(length) {}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      written_(other.written_),
      pending_(std::exchange(other.pending_, {})) {}

OutputFile::~OutputFile() {
  if (descriptor_ < 0) return;
  try {
    write_pending();
  } catch (const UserError& error) {
    std::fprintf(stderr, "fedloom: %s\n", error.what());
  }
  ::close(descriptor_);
}

OutputFile OutputFile::open(const std::string& path, int extra_flags) {
  const int descriptor = open_file(path.c_str(), O_RDWR | extra_flags, 0666);
  if (descriptor < 0) throw user_error("cannot open {} for writing: {}", path, cause());
  return OutputFile(path, descriptor, 0);
}

OutputFile OutputFile::create(const std::string& path) { return open(path, O_CREAT | O_TRUNC); }

OutputFile OutputFile::resume(const std::string& path, std::uint64_t offset) {
  OutputFile file = open(path, 0);
  const std::uint64_t length = length_of(file.descriptor_);
  if (length < offset)
    throw user_error(
        "{} has {} bytes but the checkpoint was written when it had {}: the file was shortened or belongs to "
        "another run; restore it, or start the run afresh in another folder",
        path, length, offset);
  char last = '\n';
  if (offset > 0 &&
      (::pread(file.descriptor_, &last, 1, static_cast<off_t>(offset) - 1) != 1 || last != '\n'))
    throw user_error(
        "{}: byte {} is not the end of a line, so the file is not the one that the checkpoint belongs to; "
        "restore "
        "it, or start the run afresh in another folder",
        path, offset);
  if (::ftruncate(file.descriptor_, static_cast<off_t>(offset)) != 0)
    throw user_error("cannot cut {} back to {} bytes: {}", path, offset, cause());
  ::lseek(file.descriptor_, static_cast<off_t>(offset), SEEK_SET);
  file.written_ = offset;
  return file;
}

OutputFile OutputFile::extend(const std::string& path) {
  OutputFile file = open(path, O_CREAT);
  const std::uint64_t length = length_of(file.descriptor_);
  file.written_ = end_of_last_line(file.descriptor_, length);
  if (file.written_ < length && ::ftruncate(file.descriptor_, static_cast<off_t>(file.written_)) != 0)
    throw user_error("cannot cut the unfinished last line off {}: {}", path, cause());
  ::lseek(file.descriptor_, static_cast<off_t>(file.written_), SEEK_SET);
  return file;
}

void OutputFile::append(std::string_view record) {
  pending_ += record;
  if (pending_.size() >= kBufferBytes) write_pending();
}

void OutputFile::flush() { write_pending(); }

std::string OutputFile::write_or_drop(std::string_view record) {
  pending_ += record;
  std::string why = try_write_pending();
  pending_.clear();
  return why;
}

void OutputFile::sync() {
  write_pending();
  // A pipe or a device has nothing to sync and says EINVAL.
  if (::fsync(descriptor_) != 0 && errno != EINVAL)
    throw user_error("cannot write {} to the disk: {}", path_, cause());
}

void OutputFile::write_pending() {
  if (const std::string why = try_write_pending(); !why.empty())
    throw user_error(
        "cannot write {} bytes to {}: {}; the file is whole up to byte {}; make room and go on with --resume",
        pending_.size(), path_, why, written_);
}

// What could not be written is still pending.
std::string OutputFile::try_write_pending() {
  const std::size_t done = write_some(descriptor_, pending_);
  if (done < pending_.size()) {
    std::string why = cause();
    // Undo the part that went out: readers never see half a record, and a retry writes it once.
    if (done > 0 && ::ftruncate(descriptor_, static_cast<off_t>(written_)) == 0)
      ::lseek(descriptor_, static_cast<off_t>(written_), SEEK_SET);
    return why;
  }
  written_ += done;
  pending_.clear();
  return {};
}

void for_each_block(const std::string& path, std::uint64_t limit,
                    const std::function<void(std::string_view)>& use) {
  const int descriptor = open_file(path.c_str(), O_RDONLY);
  if (descriptor < 0) throw user_error("cannot read {}: {}", path, cause());
  std::string block(kBufferBytes, '\0');
  std::uint64_t done = 0;
  while (done < limit) {
    const ssize_t count =
        ::read(descriptor, block.data(), std::min<std::uint64_t>(block.size(), limit - done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    use({block.data(), static_cast<std::size_t>(count)});
    done += static_cast<std::uint64_t>(count);
  }
  ::close(descriptor);
  if (done < limit) throw user_error("{} ends after {} of the expected {} bytes", path, done, limit);
}

}  // namespace fedloom
