// From texts to numbers of tokens under the settings that all sources of texts share. Where the numbers come
// from: a file of words, the texts of named sources, or the source's own training texts. Tables of labelled
// texts are text_examples.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "datasets/tokenizer.hpp"

namespace fedloom {

struct TokenSettings {
  std::string tokens = "words";
  bool lower = true;
  std::int64_t length = 64;
  std::int64_t vocabulary = 20000;
  std::int64_t min_count = 1;
  std::string vocabulary_file;
  std::vector<ComponentSpec> vocabulary_of;
  template <class Visitor>
  void visit(Visitor& v) {
    v.alias("max_length", "length");
    v.alias("vocab_size", "vocabulary");
    v("tokens", tokens,
      "words: runs of letters, digits and bytes >= 128, and every other printable character by itself; "
      "characters: UTF-8 code points",
      one_of({"words", "characters"}));
    v("lower", lower, "read A-Z as a-z");
    v("length", length, "tokens of one example: longer texts are cut, shorter ones padded",
      between(1, 65536));
    v("vocabulary", vocabulary,
      "most tokens that are told apart, the most frequent of the training texts; padding (0) and unknown (1) "
      "count",
      between(3, 1e8));
    v("min_count", min_count, "tokens seen less often in the training texts are unknown", at_least(1));
    v("vocabulary_file", vocabulary_file,
      "text file of the tokens from number 2 on, one a line, instead of counting; deployed clients need it, "
      "since each sees only its own texts");
    v("vocabulary_of", vocabulary_of,
      "sources of texts whose training texts are counted instead of this one's: tasks that name the same "
      "ones "
      "read tokens the same way, as pretraining and what follows it must");
  }

  /// `text` as tokens are cut from it, and how.
  std::string prepared(const std::string& text) const { return lower ? lower_case(text) : text; }
  TokenKind kind() const { return tokens == "words" ? TokenKind::words : TokenKind::characters; }
};

/// The vocabulary of `texts`, as large and as frequent as the settings want it.
Vocabulary count_vocabulary(const TokenSettings& settings, const std::vector<std::string>& texts);

/// The vocabulary that the settings name: of vocabulary_file, looked for as a source's files are, or of the
/// sources in vocabulary_of; none when it is to be counted on the texts at hand. Throws UserError.
std::optional<Vocabulary> named_vocabulary(const TokenSettings& settings, const std::string& data_dir);
/// The same for a deployed client, which must have the file: in `folder` or at its path.
Vocabulary client_vocabulary(const TokenSettings& settings, const std::string& folder);

/// The training texts of each source. Throws UserError when there is none in the list (`key` is the setting
/// it was written under), or one that has no texts.
std::vector<std::vector<std::string>> texts_of(const std::vector<ComponentSpec>& sources,
                                               const std::string& data_dir, const char* key);

class TextEncoder {
 public:
  TextEncoder(const TokenSettings& settings, Vocabulary vocabulary)
      : settings_(settings), vocabulary_(std::move(vocabulary)) {}

  const Vocabulary& vocabulary() const { return vocabulary_; }
  /// `tokens` := the numbers of the first `most` tokens of `text`.
  void encode(const std::string& text, std::size_t most, std::vector<std::int32_t>& tokens) const;

 private:
  TokenSettings settings_;
  Vocabulary vocabulary_;
};

}  // namespace fedloom
