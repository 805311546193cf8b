// Numbers of single characters, for tasks on characters: those of a text, or LEAF's fixed eighty.
// Words and vocabularies with padding are tokenizer.hpp.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace fedloom {

/// Characters are bytes. Numbers are 0 .. size()-1 in byte order; there is no padding among them.
class Alphabet {
 public:
  /// The distinct bytes of `text`. Every other byte counts as the first of them.
  static Alphabet of(std::string_view text);
  /// The 80 letters of LEAF's Shakespeare task (S. Caldas et al., arXiv 1812.01097, 2018), which everybody
  /// has without having seen a text. Bytes that are not among them count as a space.
  static Alphabet leaf();

  std::int64_t size() const { return size_; }
  std::uint8_t number(char character) const { return numbers_[static_cast<unsigned char>(character)]; }

 private:
  Alphabet(std::string_view characters, char substitute);

  std::array<std::uint8_t, 256> numbers_{};
  std::int64_t size_ = 0;
};

}  // namespace fedloom
