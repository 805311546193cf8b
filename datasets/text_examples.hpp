// From tables of labelled texts to training and test examples: one place for every source of texts, so that
// all treat lengths, labels and vocabularies alike.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "datasets/examples.hpp"
#include "datasets/text_encoder.hpp"
#include "datasets/text_table.hpp"

namespace fedloom {

struct ClassSettings {
  std::int64_t classes = 0;         // 0: as many as the training labels show
  std::vector<std::string> labels;  // not empty: the classes by name
};

/// The examples of `train` and `test` (null: test_share of the training rows). Without a `vocabulary` it is
/// that of the rows that are trained on. A text without tokens is one unknown token, so that no example is
/// all padding. Throws UserError.
SplitExamples encode_texts(const TextTable& train, const TextTable* test, double test_share,
                           const ClassSettings& classes, const TokenSettings& settings,
                           std::optional<Vocabulary> vocabulary);

/// The texts of the rows of `train` that encode_texts trains on, when test_share of them are held back.
std::vector<std::string> training_texts(const TextTable& train, double test_share);

}  // namespace fedloom
