// Rows to train on, their vocabulary, then every row as numbers.
#include "datasets/text_examples.hpp"

#include <algorithm>
#include <numeric>

#include "core/error.hpp"
#include "datasets/split.hpp"
#include "datasets/table_columns.hpp"
#include "datasets/token_examples.hpp"

namespace fedloom {

namespace {

std::shared_ptr<const TokenExamples> encode(const TextTable& table, const LabelColumn& labels,
                                            std::int64_t length, const TextEncoder& encoder) {
  const Vocabulary& vocabulary = encoder.vocabulary();
  const DataSpec spec{.shape = {length},
                      .classes = labels.classes,
                      .vocabulary = vocabulary.size(),
                      .vocabulary_id = vocabulary.fingerprint()};
  auto examples = std::make_shared<TokenExamples>(spec, table.groups);
  std::vector<std::int32_t> row;
  for (std::size_t i = 0; i < table.texts.size(); ++i) {
    encoder.encode(table.texts[i], static_cast<std::size_t>(length), row);
    if (row.empty()) row.push_back(Vocabulary::kUnknown);
    examples->add(row, labels.values[i]);
  }
  return examples;
}

// Training rows, and test rows when a share of them is held back.
SplitExamples split_rows(const TextTable& train, double test_share) {
  SplitExamples split;
  split.train_indices.resize(train.texts.size());
  std::iota(split.train_indices.begin(), split.train_indices.end(), std::uint32_t{0});
  carve_test(split, test_share);
  return split;
}

}  // namespace

std::vector<std::string> training_texts(const TextTable& train, double test_share) {
  std::vector<std::string> texts;
  for (const std::uint32_t row : split_rows(train, test_share).train_indices)
    texts.push_back(train.texts[row]);
  return texts;
}

SplitExamples encode_texts(const TextTable& train, const TextTable* test, double test_share,
                           const ClassSettings& classes, const TokenSettings& settings,
                           std::optional<Vocabulary> vocabulary) {
  const LabelColumn labels = read_labels(train.labels, train.file, classes.classes, classes.labels);
  const double held_back = test == nullptr ? test_share : 0.0;
  if (!vocabulary) vocabulary = count_vocabulary(settings, training_texts(train, held_back));
  const TextEncoder encoder(settings, std::move(*vocabulary));
  SplitExamples split = split_rows(train, held_back);
  split.train = encode(train, labels, settings.length, encoder);
  split.validation.examples = split.train;
  if (test == nullptr) {
    split.test.examples = split.train;
    return split;
  }
  const LabelColumn test_labels = read_labels(test->labels, test->file, labels.classes, labels.names);
  return split_of(split.train, encode(*test, test_labels, settings.length, encoder));
}

}  // namespace fedloom
