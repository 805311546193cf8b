// POSIX calls where they matter: errors are told apart, data is synced when asked, names are swapped by
// rename.
#include "core/file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/error.hpp"
#include "core/open_files.hpp"

namespace fedloom {

namespace {

std::string system_reason() { return std::strerror(errno); }

}  // namespace

void sync_folder(const std::string& folder) {
  const int descriptor = open_file(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

void write_file_atomically(const std::string& file, std::string_view bytes, bool sync, unsigned mode) {
  // The process id keeps writers of the same file apart; the last rename wins whole.
  const std::string temporary = fmt::format("{}.{}.partial", file, ::getpid());
  const int descriptor = open_file(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC, mode);
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
    // The new name itself is data of the folder.
    if (sync) sync_folder(std::filesystem::path(file).parent_path().string());
    return;
  }
  const std::string why = reason.empty() ? system_reason() : reason;
  ::unlink(temporary.c_str());
  throw user_error("{}: cannot be written: {}; free space or choose another folder and resume", file, why);
}

std::string read_file(const std::string& file) {
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) throw user_error("{}: is a folder, not a file", file);
  const int descriptor = open_file(file.c_str(), O_RDONLY);
  if (descriptor < 0) throw user_error("{}: cannot be opened: {}", file, system_reason());
  std::string bytes;
  ssize_t count = 1;
  while (count != 0) {
    constexpr std::size_t kPiece = 1 << 16;
    const std::size_t before = bytes.size();
    bytes.resize(before + kPiece);
    count = ::read(descriptor, bytes.data() + before, kPiece);
    bytes.resize(before + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    if (count < 0 && errno != EINTR) break;
  }
  const std::string reason = count == 0 ? "" : system_reason();
  ::close(descriptor);
  if (!reason.empty()) throw user_error("{}: cannot be read: {}", file, reason);
  return bytes;
}

std::vector<std::string> names_in(const std::string& folder) {
  const int descriptor = open_file(folder.c_str(), O_RDONLY | O_DIRECTORY);
  DIR* entries = descriptor < 0 ? nullptr : ::fdopendir(descriptor);
  if (entries == nullptr) {
    const std::string reason = system_reason();
    if (descriptor >= 0) ::close(descriptor);
    throw user_error("{}: cannot be read: {}", folder, reason);
  }
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(entries))
    if (const std::string name = entry->d_name; name != "." && name != "..") names.push_back(name);
  ::closedir(entries);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace fedloom
