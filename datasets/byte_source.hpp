// Bytes of a file as its writer meant them: plain, gzip (RFC 1952) or xz, told apart by their first bytes,
// never by the name. It streams, so what comes out is bounded by what the reader asks for and by a hard
// limit: a small file that unpacks without end is refused. Knows no format above compression.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace fedloom {

/// A forward-only stream of unpacked bytes. Every error is a UserError that names the file, what was found
/// and what to do: missing file, folder, truncated or corrupt stream, bytes after the end of the stream,
/// more than the limit.
class ByteSource {
 public:
  /// Unpacked bytes that a file may have unless its reader knows better: 4 GiB.
  static constexpr std::uint64_t kDefaultLimit = std::uint64_t{4} << 30;

  static ByteSource open(const std::string& file, std::uint64_t limit = kDefaultLimit);
  /// Over bytes in memory (kept alive by the caller); `name` stands for the file in errors.
  static ByteSource over(std::span<const std::byte> bytes, std::string name,
                         std::uint64_t limit = kDefaultLimit);
  ~ByteSource();
  ByteSource(ByteSource&&) noexcept;
  ByteSource& operator=(ByteSource&&) noexcept;

  /// Fills `out` as far as the source goes; fewer bytes only at the end.
  std::size_t read(std::span<std::byte> out);
  /// Fills `out` whole or throws, saying that `what` is cut short.
  void read_exactly(std::span<std::byte> out, const char* what);
  /// Appends `count` bytes to `out`, growing as they arrive: a header that promises gigabytes costs nothing
  /// until they come. Throws when the source ends early.
  void append(std::vector<std::uint8_t>& out, std::uint64_t count, const char* what);
  /// Hands the next `count` bytes to `take`, a piece at a time. Throws when the source ends early.
  void pass(std::uint64_t count, const char* what,
            const std::function<void(std::span<const std::uint8_t>)>& take);
  /// Whether every byte was read; checks the trailer of a packed stream.
  bool at_end();
  /// Everything that is left, as text.
  std::string read_all();

  /// The file as the user wrote it.
  const std::string& name() const;
  /// "plain", "gzip" or "xz".
  const char* packing() const;

 private:
  struct State;
  explicit ByteSource(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// `stem`, `stem`.gz or `stem`.xz, the first that is a file; "" when none is.
std::string find_packed(const std::string& stem);

}  // namespace fedloom
