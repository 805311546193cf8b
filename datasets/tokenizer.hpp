// Texts to numbers: splitting into words or characters, and the vocabulary that numbers them. A vocabulary is
// built from training texts only; what a test text has beyond it is unknown.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace fedloom {

enum class TokenKind : std::uint8_t {
  words,       // runs of letters, digits and bytes >= 128; every other printable character by itself
  characters,  // UTF-8 code points, white space too; a byte that is no UTF-8 by itself
};

/// The tokens of `text` in order, as views into it. White space and control characters are no words.
std::vector<std::string_view> split_tokens(std::string_view text, TokenKind kind);

/// With A-Z as a-z; other bytes stay, so that UTF-8 stays whole.
std::string lower_case(std::string_view text);

/// Numbers of tokens: 0 is padding, 1 every unknown token, 2 the most frequent known one. A hidden token is
/// read as 0 too: what is padding is said by a batch's mask, so that models never read its number.
class Vocabulary {
 public:
  static constexpr std::int32_t kPadding = 0;
  static constexpr std::int32_t kHidden = 0;
  static constexpr std::int32_t kUnknown = 1;
  static constexpr std::int32_t kFirst = 2;

  /// Counts tokens; finish() makes the vocabulary of them.
  class Counter {
   public:
    void add(std::string_view token) { ++counts_[std::string(token)]; }
    /// Tokens seen at least `min_count` times, the most frequent first, equals in byte order, until `most`
    /// numbers (padding and unknown among them) are used; 0: no limit.
    Vocabulary finish(std::uint64_t min_count, std::uint64_t most) const;

   private:
    std::unordered_map<std::string, std::uint64_t> counts_;
  };

  Vocabulary() = default;
  /// Numbers in the order of `tokens`. Throws UserError naming `place` on one that is there twice.
  Vocabulary(std::vector<std::string> tokens, const std::string& place);

  /// Of padding, unknown and all tokens.
  std::int64_t size() const { return kFirst + static_cast<std::int64_t>(tokens_.size()); }
  std::int32_t number(std::string_view token) const;
  /// Those from number 2.
  const std::vector<std::string>& tokens() const { return tokens_; }
  /// Equal for equal tokens in equal order, never 0.
  std::uint64_t fingerprint() const;

 private:
  std::vector<std::string> tokens_;
  std::unordered_map<std::string, std::int32_t> numbers_;
};

}  // namespace fedloom
