// From tables of labelled texts to training and test examples: one place for every source of texts, so that
// all treat words, lengths and vocabularies alike.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "datasets/examples.hpp"
#include "datasets/text_table.hpp"

namespace fedloom {

struct TokenSettings {
  std::string tokens = "words";
  bool lower = true;
  std::int64_t length = 64;
  std::int64_t vocabulary = 20000;
  std::int64_t min_count = 1;
  std::string vocabulary_file;
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
  }
};

struct ClassSettings {
  std::int64_t classes = 0;         // 0: as many as the training labels show
  std::vector<std::string> labels;  // not empty: the classes by name
};

/// The examples of `train` and `test` (null: test_share of the training rows). The vocabulary is that of the
/// rows that are trained on. A text without tokens is one unknown token, so that no example is all padding.
/// `vocabulary_file`: where that file is, or "". Throws UserError.
SplitExamples encode_texts(const TextTable& train, const TextTable* test, double test_share,
                           const ClassSettings& classes, const TokenSettings& settings,
                           const std::string& vocabulary_file);

}  // namespace fedloom
