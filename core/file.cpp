// POSIX calls where they matter: errors are told apart, data is synced when asked, names are swapped by
// rename.
#include "core/file.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <unistd.h>

#include "core/error.hpp"

namespace fedloom {

namespace {

std::string system_reason() { return std::strerror(errno); }

// The new name itself is data of the folder.
void sync_folder_of(const std::string& file) {
  const std::string folder = std::filesystem::path(file).parent_path().string();
  const int descriptor = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace

void write_file_atomically(const std::string& file, std::string_view bytes, bool sync, unsigned mode) {
  // The process id keeps writers of the same file apart; the last rename wins whole.
  const std::string temporary = fmt::format("{}.{}.partial", file, ::getpid());
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (descriptor < 0) throw user_error("{}: cannot be written: {}", temporary, system_reason());
  std::size_t written = 0;
  bool sound = true;
  while (sound && written < bytes.size()) {
    const ssize_t count = ::write(descriptor, bytes.data() + written, bytes.size() - written);
    if (count < 0 && errno == EINTR) continue;
    sound = count > 0;
    if (sound) written += static_cast<std::size_t>(count);
  }
  if (sound && sync) sound = ::fsync(descriptor) == 0;
  const std::string reason = sound ? "" : system_reason();
  sound = ::close(descriptor) == 0 && sound;
  if (sound && ::rename(temporary.c_str(), file.c_str()) == 0) {
    if (sync) sync_folder_of(file);
    return;
  }
  const std::string why = reason.empty() ? system_reason() : reason;
  ::unlink(temporary.c_str());
  throw user_error("{}: cannot be written: {}; free space or choose another folder and resume", file, why);
}

std::string read_file(const std::string& file) {
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) throw user_error("{}: is a folder, not a file", file);
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw user_error("{}: cannot be opened: {}", file, system_reason());
  std::string bytes((std::istreambuf_iterator<char>(stream)), {});
  if (stream.bad()) throw user_error("{}: cannot be read: {}", file, system_reason());
  return bytes;
}

}  // namespace fedloom
