// The table from bytes to numbers.
#include "datasets/alphabet.hpp"

namespace fedloom {

Alphabet::Alphabet(std::string_view characters, char substitute) {
  std::array<bool, 256> there{};
  for (const char c : characters) there[static_cast<unsigned char>(c)] = true;
  for (std::size_t byte = 0; byte < there.size(); ++byte)
    if (there[byte]) numbers_[byte] = static_cast<std::uint8_t>(size_++);
  const std::uint8_t instead = numbers_[static_cast<unsigned char>(substitute)];
  for (std::size_t byte = 0; byte < there.size(); ++byte)
    if (!there[byte]) numbers_[byte] = instead;
}

Alphabet Alphabet::of(std::string_view text) {
  char first = text.empty() ? '\0' : text[0];
  for (const char c : text)
    if (static_cast<unsigned char>(c) < static_cast<unsigned char>(first)) first = c;
  return {text, first};
}

Alphabet Alphabet::leaf() {
  return {"\n !\"&'(),-.0123456789:;>?ABCDEFGHIJKLMNOPQRSTUVWXYZ[]abcdefghijklmnopqrstuvwxyz}", ' '};
}

}  // namespace fedloom
