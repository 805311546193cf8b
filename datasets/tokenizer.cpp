// Classes of bytes, lengths of code points, and the order of a vocabulary.
#include "datasets/tokenizer.hpp"

#include <algorithm>
#include <utility>

#include "core/error.hpp"
#include "core/hash.hpp"

namespace fedloom {

namespace {

bool in_word(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 128 || (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
         (byte >= 'A' && byte <= 'Z');
}

bool is_blank(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte <= ' ' || byte == 127;
}

std::size_t word_length(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size() && in_word(text[length])) ++length;
  return std::max<std::size_t>(length, 1);
}

/// Bytes of the code point that `text` begins with; 1 where that is cut or broken.
std::size_t code_point_length(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const std::size_t length = first >= 0xF0 && first < 0xF8 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
  if (first >= 0xF8 || length > text.size()) return 1;
  for (std::size_t i = 1; i < length; ++i)
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) return 1;
  return length;
}

}  // namespace

std::vector<std::string_view> split_tokens(std::string_view text, TokenKind kind) {
  std::vector<std::string_view> tokens;
  while (!text.empty()) {
    const bool words = kind == TokenKind::words;
    const std::size_t length = words ? word_length(text) : code_point_length(text);
    if (!words || !is_blank(text.front())) tokens.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return tokens;
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

Vocabulary Vocabulary::Counter::finish(std::uint64_t min_count, std::uint64_t most) const {
  std::vector<std::pair<std::string, std::uint64_t>> known;
  for (const auto& [token, count] : counts_)
    if (count >= min_count) known.emplace_back(token, count);
  std::sort(known.begin(), known.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  if (most > 0) known.resize(std::min<std::size_t>(known.size(), most - kFirst));
  std::vector<std::string> tokens;
  for (auto& [token, count] : known) tokens.push_back(std::move(token));
  return {std::move(tokens), "vocabulary"};
}

Vocabulary::Vocabulary(std::vector<std::string> tokens, const std::string& place)
    : tokens_(std::move(tokens)) {
  for (std::size_t i = 0; i < tokens_.size(); ++i)
    if (!numbers_.emplace(tokens_[i], static_cast<std::int32_t>(i) + kFirst).second)
      throw user_error("{}: the token '{}' is there twice; a token has one number", place, tokens_[i]);
}

std::uint64_t Vocabulary::fingerprint() const {
  std::string lines;
  for (const std::string& token : tokens_) lines += token + '\n';
  return std::max<std::uint64_t>(hash64(lines), 1);
}

std::int32_t Vocabulary::number(std::string_view token) const {
  const auto it = numbers_.find(std::string(token));
  return it == numbers_.end() ? kUnknown : it->second;
}

}  // namespace fedloom
