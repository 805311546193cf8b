// Rows to train on, their vocabulary, then every row as numbers.
#include "datasets/text_examples.hpp"

#include <algorithm>
#include <numeric>

#include "core/error.hpp"
#include "datasets/split.hpp"
#include "datasets/table_columns.hpp"
#include "datasets/token_examples.hpp"
#include "datasets/tokenizer.hpp"

namespace fedloom {

namespace {

constexpr std::uint64_t kMostText = std::uint64_t{1} << 30;

class Encoder {
 public:
  explicit Encoder(const TokenSettings& settings)
      : settings_(settings), kind_(settings.tokens == "words" ? TokenKind::words : TokenKind::characters) {}

  void count(const TextTable& table, const std::vector<std::uint32_t>& rows) {
    Vocabulary::Counter counter;
    for (const std::uint32_t row : rows)
      each_token(table.texts[row], [&](std::string_view token) { counter.add(token); });
    vocabulary_ = counter.finish(static_cast<std::uint64_t>(settings_.min_count),
                                 static_cast<std::uint64_t>(settings_.vocabulary));
  }

  void read_vocabulary(const std::string& file) {
    const std::string text = ByteSource::open(file, kMostText).read_all();
    std::vector<std::string> tokens;
    std::string_view rest = text;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      std::string token(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (!token.empty() && token.back() == '\r') token.pop_back();
      if (token.empty())
        throw user_error("{}:{}:1: an empty token; write one on every line", file, tokens.size() + 1);
      tokens.push_back(std::move(token));
    }
    vocabulary_ = Vocabulary(std::move(tokens), file);
  }

  std::shared_ptr<const TokenExamples> encode(const TextTable& table, const LabelColumn& labels) const {
    const DataSpec spec{{settings_.length}, labels.classes, vocabulary_.size()};
    auto examples = std::make_shared<TokenExamples>(spec, table.groups);
    const auto most = static_cast<std::size_t>(settings_.length);
    std::vector<std::int32_t> row;
    for (std::size_t i = 0; i < table.texts.size(); ++i) {
      row.clear();
      each_token(table.texts[i], [&](std::string_view token) {
        if (row.size() < most) row.push_back(vocabulary_.number(token));
      });
      if (row.empty()) row.push_back(Vocabulary::kUnknown);
      examples->add(row, labels.values[i]);
    }
    return examples;
  }

 private:
  template <class Take>
  void each_token(const std::string& text, Take take) const {
    const std::string lower = settings_.lower ? lower_case(text) : text;
    for (const std::string_view token : split_tokens(lower, kind_)) take(token);
  }

  const TokenSettings& settings_;
  TokenKind kind_;
  Vocabulary vocabulary_;
};

}  // namespace

SplitExamples encode_texts(const TextTable& train, const TextTable* test, double test_share,
                           const ClassSettings& classes, const TokenSettings& settings,
                           const std::string& vocabulary_file) {
  const LabelColumn labels = read_labels(train.labels, train.file, classes.classes, classes.labels);
  SplitExamples split;
  split.train_indices.resize(train.texts.size());
  std::iota(split.train_indices.begin(), split.train_indices.end(), std::uint32_t{0});
  if (test == nullptr) carve_test(split, test_share);
  Encoder encoder(settings);
  if (vocabulary_file.empty())
    encoder.count(train, split.train_indices);
  else
    encoder.read_vocabulary(vocabulary_file);
  split.train = encoder.encode(train, labels);
  split.validation.examples = split.train;
  if (test == nullptr) {
    split.test.examples = split.train;
    return split;
  }
  return split_of(split.train,
                  encoder.encode(*test, read_labels(test->labels, test->file, labels.classes, labels.names)));
}

}  // namespace fedloom
