// Tables of labelled texts: CSV, TSV, or a label in front of each line. Reads rows; what words are is
// tokenizer.hpp, numbers of labels are table_columns.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/byte_source.hpp"
#include "datasets/csv_scanner.hpp"

namespace fedloom {

struct TextTableOptions {
  /// '\0': tab when the name has ".tsv", else comma. ' ': the first space ends the label, the rest of the
  /// line is the text.
  char delimiter = '\0';
  std::string quotes = "auto";  // yes (RFC 4180), no, auto: yes when the delimiter is a comma or semicolon
  std::string header = "auto";  // yes, no, auto: yes when a column is chosen by name
  std::string label = "0";      // "last", a column name, or a column number from 0
  std::vector<std::string> text{"last"};  // one or more columns, joined by a space
  std::string client;                     // "" for none: the natural client of each row
  bool escapes = false;                   // \n, \t and \\ in a text stand for the character
};

struct TextTable {
  std::string file;                      // as the user wrote it
  std::vector<CsvField> labels;          // trimmed, with their places
  std::vector<std::string> texts;        // one for each label
  std::vector<std::uint32_t> groups;     // index into group_names; empty without a client column
  std::vector<std::string> group_names;  // in order of first appearance
};

/// Throws UserError "FILE:LINE:COLUMN: …" for a missing or surplus field, an open quote, a column that is not
/// there; "FILE: …" for no rows and for zero bytes.
TextTable read_text_table(ByteSource& source, const TextTableOptions& options);

}  // namespace fedloom
