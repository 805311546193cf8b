// A file that a run writes: it grows by whole records and survives a full disk. What the bytes mean is not
// known here; files that are replaced whole are core/file.hpp.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace fedloom {

/// A buffered file that only ever holds whole records. A write that fails (disk full, quota, size limit)
/// is undone to the last whole record, the unwritten records stay in memory, and a UserError names the
/// file and the cause; a later flush() tries them again.
class OutputFile {
 public:
  /// Starts an empty file; an existing one is emptied. Throws UserError when it cannot be opened.
  static OutputFile create(const std::string& path);
  /// Goes on with an existing file after its first `offset` bytes; what follows them is cut off.
  /// Throws UserError when the file is missing, shorter than `offset`, or has no record end there.
  static OutputFile resume(const std::string& path, std::uint64_t offset);
  /// Goes on at the end of a text file, or starts it. A last line without its newline, the mark of a
  /// process that was killed, is cut off.
  static OutputFile extend(const std::string& path);

  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  /// Writes what it can; whoever needs to know about failures calls flush() before.
  ~OutputFile();

  /// Adds one whole record. Written to the file once enough have gathered, or on flush().
  void append(std::string_view record);
  /// Hands everything to the operating system: it now survives the death of this process.
  void flush();
  /// For records that the file may lack: adds one and writes it at once, or drops it. Returns why it could
  /// not be written ("No space left on device"), or "".
  std::string write_or_drop(std::string_view record);
  /// flush(), and to the disk itself: it now survives a power cut.
  void sync();
  /// Length of the file with everything appended so far, buffered records included.
  std::uint64_t offset() const { return written_ + pending_.size(); }
  const std::string& path() const { return path_; }

 private:
  OutputFile(std::string path, int descriptor, std::uint64_t length);
  static OutputFile open(const std::string& path, int extra_flags);
  void write_pending();
  std::string try_write_pending();

  std::string path_;
  int descriptor_;
  std::uint64_t written_;  // bytes in the file: always the end of a record
  std::string pending_;
};

/// The bytes [0, limit) of a file, in blocks. Throws UserError when it is missing or shorter than `limit`.
void for_each_block(const std::string& path, std::uint64_t limit,
                    const std::function<void(std::string_view)>& use);

}  // namespace fedloom
