// The unpackers behind ByteSource: plain copy, zlib's inflate, liblzma's stream decoder, chosen by the first
// bytes of the input. Private to byte_source.cpp and its tests of damage.
#pragma once

#include <cstddef>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace fedloom {

/// Raw bytes of a file or of memory, one chunk in view at a time. Throws UserError when the file cannot be
/// read.
class RawInput {
 public:
  explicit RawInput(const std::string& file);
  /// Over bytes that the caller keeps alive; `name` stands for the file in errors.
  RawInput(std::span<const std::byte> bytes, std::string name);

  const std::string& name() const { return name_; }
  /// The bytes in view; empty only at the end of the input.
  std::span<const std::byte> peek();
  void consume(std::size_t count) { view_ = view_.subspan(count); }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string name_;
  std::unique_ptr<std::FILE, Close> file_;
  std::vector<std::byte> buffer_;
  std::span<const std::byte> view_;
};

class Decoder {
 public:
  virtual ~Decoder() = default;
  /// Fills `out`; fewer bytes only at the end of the stream. Throws UserError on damage.
  virtual std::size_t decode(RawInput& input, std::span<std::byte> out) = 0;
  /// "plain", "gzip" or "xz".
  virtual const char* packing() const = 0;
};

/// The decoder for an input that begins with `head`.
std::unique_ptr<Decoder> decoder_for(std::span<const std::byte> head);

}  // namespace fedloom
