// Reading and writing of safetensors files: an 8-byte little-endian header length, a JSON header that gives
// each tensor's type, shape and byte range, then the bytes. Everything in a file is checked before it is
// believed. Format: Hugging Face, https://github.com/huggingface/safetensors, README "Format".
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/layout.hpp"

namespace fedloom {

/// A safetensors file in memory. Tensors of any known type may be in it; F32, F16, BF16 and F64 can be read
/// as floats (F64 is rounded).
class SafetensorsFile {
 public:
  /// Throws UserError naming the file, what is wrong in it and what would be right.
  static SafetensorsFile read(const std::string& file);
  /// The same for bytes that came from elsewhere; `source` names them in messages.
  static SafetensorsFile parse(std::string bytes, const std::string& source);

  const std::string& source() const { return source_; }
  /// The free-form text entries under "__metadata__".
  const std::map<std::string, std::string, std::less<>>& metadata() const { return metadata_; }
  /// Tensor names in alphabetical order.
  std::vector<std::string> names() const;
  bool contains(std::string_view name) const { return entries_.contains(name); }
  /// Shape of a tensor; it must be in the file (UserError).
  const std::vector<std::int64_t>& shape(std::string_view name) const;
  /// Copies a tensor into `values`, whose size must be the tensor's element count (programmer error). Throws
  /// UserError when the tensor is missing or of a type that cannot be read as floats.
  void copy_to(std::string_view name, std::span<float> values) const;

 private:
  struct Entry {
    std::string type;
    std::vector<std::int64_t> shape;
    std::size_t begin = 0;  // byte range within bytes_
    std::size_t end = 0;
  };

  SafetensorsFile() = default;
  std::size_t parse_header();
  const Entry& entry(std::string_view name) const;

  std::string source_;
  std::string bytes_;
  std::map<std::string, std::string, std::less<>> metadata_;
  std::map<std::string, Entry, std::less<>> entries_;
};

/// How a file comes to be under its name.
enum class WriteMode {
  direct,  // written in place: works on pipes, but a reader may see a part of it
  atomic,  // written beside it, flushed and renamed: a reader sees all of the old or all of the new
};

/// Writes the slices in layout order as F32. Throws UserError when the file cannot be written (naming it and
/// the system's reason); in atomic mode what was there before is then still there.
void write_safetensors(const std::string& file, const ParameterVector& parameters,
                       const std::map<std::string, std::string>& metadata = {},
                       WriteMode mode = WriteMode::atomic);

}  // namespace fedloom
