// UTF-8 as RFC 3629 has it: no surrogates, nothing longer than needed, nothing above U+10FFFF.
#include "transport/printable.hpp"

namespace fedloom {

namespace {

struct Character {
  char32_t code = 0;
  std::size_t bytes = 0;  // 0: not UTF-8
};

Character first_of(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1};
  const std::size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < bytes) return {};
  char32_t code = lead & (0x7fU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0U) != 0x80U) return {};
    code = code << 6U | (next & 0x3fU);
  }
  const bool shortest = bytes == 2 || code >= (bytes == 3 ? 0x800U : 0x10000U);
  if (!shortest || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) return {};
  return {code, bytes};
}

bool shows(char32_t code) {
  if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) return false;                    // controls
  if (code == 0x200e || code == 0x200f || code == 0x061c) return false;               // direction marks
  return !(code >= 0x2028 && code <= 0x202e) && !(code >= 0x2066 && code <= 0x2069);  // lines, directions
}

}  // namespace

std::string printable(std::string_view text, std::size_t characters) {
  std::string out;
  while (!text.empty()) {
    if (characters-- == 0) return out + "…";
    const Character c = first_of(text);
    if (c.code == '\n' || c.code == '\t')
      out += ' ';
    else if (c.bytes == 0 || !shows(c.code))
      out += '?';
    else
      out += text.substr(0, c.bytes);
    text.remove_prefix(c.bytes > 0 ? c.bytes : 1);
  }
  return out;
}

}  // namespace fedloom
