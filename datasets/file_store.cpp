// Temporary folders, atomic writes and verification.
#include "datasets/file_store.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "core/error.hpp"
#include "core/hash.hpp"
#include "datasets/byte_source.hpp"

namespace fedloom {

namespace {

namespace fs = std::filesystem;

void make_folder(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    throw user_error("{}: the folder cannot be made: {}; let FEDLOOM_DATA name one that can be written",
                     folder, error.message());
}

/// Whether all of `content` reached the disk; errno says why not.
bool write_all(int file, std::span<const std::uint8_t> content) {
  while (!content.empty()) {
    const ssize_t count = write(file, content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    content = content.subspan(static_cast<std::size_t>(count));
  }
  return fsync(file) == 0;
}

}  // namespace

TemporaryFolder::TemporaryFolder(const std::string& parent) {
  make_folder(parent);
  // Absolute, since programs are run inside it.
  path_ = (fs::absolute(parent) / ".fetch-XXXXXX").string();
  if (mkdtemp(path_.data()) == nullptr)
    throw user_error("{}: no temporary folder can be made in it: {}", parent, std::strerror(errno));
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code error;
  fs::remove_all(path_, error);
}

std::uint64_t TemporaryFolder::bytes() const {
  std::uint64_t total = 0;
  std::error_code error;
  for (auto it = fs::recursive_directory_iterator(path_, error);
       !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    std::error_code gone;
    const auto size = it->file_size(gone);
    if (!gone) total += size;
  }
  return total;
}

FileStore::FileStore(const CatalogueEntry& entry, const std::string& data_dir)
    : entry_(entry), folder_(entry.folder(data_dir)) {
  const auto found = stored_files(entry, data_dir, true);
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i].state != FileState::good) missing_.push_back(entry.files[i]);
    if (found[i].state == FileState::damaged) damaged_.push_back(found[i].path);
  }
}

void FileStore::accept(const std::string& name, std::span<const std::uint8_t> content,
                       const std::string& origin) {
  const auto it =
      std::find_if(missing_.begin(), missing_.end(), [&](const auto& file) { return file.name == name; });
  if (it == missing_.end()) return;
  if (content.size() != it->bytes)
    throw user_error("{}: {} has {} bytes, expected {}", origin, name, content.size(), it->bytes);
  const std::string found = sha256_hex(std::as_bytes(content));
  if (found != it->sha256)
    throw user_error("{}: {} has SHA-256 {}, expected {}", origin, name, found, it->sha256);
  make_folder(folder_);
  const std::string stem = folder_ + "/" + name;
  if (entry_.pack)
    write_atomically(stem + ".gz", gzip(content));
  else
    write_atomically(stem, content);
  // A damaged copy in another packing would be found before the good one.
  std::error_code error;
  for (const char* ending : {"", ".gz", ".xz"})
    if (ending != std::string(entry_.pack ? ".gz" : "")) fs::remove(stem + ending, error);
  missing_.erase(it);
}

void FileStore::accept_file(const std::string& name, const std::string& path) {
  const auto it =
      std::find_if(missing_.begin(), missing_.end(), [&](const auto& file) { return file.name == name; });
  if (it == missing_.end()) return;
  ByteSource source = ByteSource::open(path, it->bytes);
  std::vector<std::uint8_t> content;
  source.append(content, it->bytes, name.c_str());
  if (!source.at_end()) throw user_error("{}: has more than the expected {} bytes", path, it->bytes);
  accept(name, content, path);
}

std::vector<std::uint8_t> gzip(std::span<const std::uint8_t> content) {
  z_stream stream{};
  FEDLOOM_CHECK(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK,
                "zlib refused to start");
  FEDLOOM_CHECK(content.size() < (std::size_t{1} << 31), "{} bytes at once", content.size());
  std::vector<std::uint8_t> packed(deflateBound(&stream, content.size()));
  stream.next_in = const_cast<Bytef*>(content.data());
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = packed.data();
  stream.avail_out = static_cast<uInt>(packed.size());
  const int result = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  FEDLOOM_CHECK(result == Z_STREAM_END, "deflate said {}", result);
  return packed;
}

void write_atomically(const std::string& path, std::span<const std::uint8_t> content) {
  std::string part = path + ".part-XXXXXX";
  const int file = mkstemp(part.data());
  if (file < 0) throw user_error("{}: cannot be written: {}", path, std::strerror(errno));
  fchmod(file, 0644);
  bool good = write_all(file, content);
  int reason = errno;
  good = close(file) == 0 && good;
  if (good && rename(part.c_str(), path.c_str()) == 0) return;
  if (good) reason = errno;
  unlink(part.c_str());
  throw user_error("{}: cannot be written: {}", path, std::strerror(reason));
}

}  // namespace fedloom
