// The verified way into the data folder: content that is not what the catalogue says is refused, and a file
// appears under its name whole or not at all.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "datasets/catalogue.hpp"

namespace fedloom {

/// Removed with everything in it at the end of its life.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::string& parent);
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }
  /// Bytes of all files in it.
  std::uint64_t bytes() const;

 private:
  std::string path_;
};

/// What `entry` still lacks in `data_dir`.
class FileStore {
 public:
  FileStore(const CatalogueEntry& entry, const std::string& data_dir);

  const CatalogueEntry& entry() const { return entry_; }
  const std::string& folder() const { return folder_; }
  bool complete() const { return missing_.empty(); }
  /// Copies, since accepting changes it.
  std::vector<CatalogueFile> missing() const { return missing_; }
  const std::vector<std::string>& damaged() const { return damaged_; }
  /// Verifies and stores the unpacked content of a missing file; other names are ignored. `origin` stands in
  /// the UserError when size or SHA-256 differ, or the disk is full.
  void accept(const std::string& name, std::span<const std::uint8_t> content, const std::string& origin);
  /// The same from a file on disk, plain or packed.
  void accept_file(const std::string& name, const std::string& path);

 private:
  CatalogueEntry entry_;
  std::string folder_;
  std::vector<CatalogueFile> missing_;
  std::vector<std::string> damaged_;
};

/// gzip of `content`, the same bytes for the same content.
std::vector<std::uint8_t> gzip(std::span<const std::uint8_t> content);
/// Writes beside `path`, flushes to disk and renames. Throws UserError; leaves nothing behind then.
void write_atomically(const std::string& path, std::span<const std::uint8_t> content);

}  // namespace fedloom
