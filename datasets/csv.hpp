// CSV and TSV tables of numbers with a label column (RFC 4180 quoting). Reads numbers only: text features
// are refused with their place, not guessed at.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/tensor.hpp"
#include "datasets/byte_source.hpp"
#include "datasets/table_examples.hpp"

namespace fedloom {

struct CsvOptions {
  char delimiter = '\0';        // '\0': tab when the name has ".tsv", else comma
  std::string header = "auto";  // yes, no, auto: a header is a first line with a feature that is no number
  std::string label = "last";   // "last", a column name, or a column number from 0
  std::string client;           // "" for none, or a name or number: the natural client of each row
  std::int64_t classes = 0;     // 0: as many as the labels show
};

/// A table with its columns told apart. Labels that are all whole numbers >= 0 are classes as they stand;
/// otherwise every distinct text is a class, in byte order of the texts.
struct CsvTable {
  std::size_t width = 0;
  FloatBuffer features;                    // (rows, width)
  std::vector<std::string> feature_names;  // empty without a header
  std::vector<std::int32_t> labels;
  std::vector<std::string> label_names;  // empty when labels are numbers
  std::int64_t classes = 0;
  std::vector<std::uint32_t> groups;     // index into group_names; empty without a client column
  std::vector<std::string> group_names;  // in order of first appearance

  std::size_t rows() const { return labels.size(); }
};

/// Throws UserError "FILE:LINE:COLUMN: …" (counted from 1, in bytes) for a missing or surplus field, a field
/// that is no finite number, an open quote, a label out of range. `label_names` fixes the classes when not
/// empty (the test part of a set is read with the names of its training part).
CsvTable read_csv(ByteSource& source, const CsvOptions& options,
                  const std::vector<std::string>& label_names = {});

std::shared_ptr<const TableExamples> to_examples(CsvTable table);

}  // namespace fedloom
