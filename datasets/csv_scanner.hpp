// Splits the text of a CSV file (RFC 4180) into records of fields that know where they began. Knows nothing
// of numbers or columns.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace fedloom {

/// A field without its quotes; line and column of its first byte, from 1.
struct CsvField {
  std::string text;
  std::size_t line = 0;
  std::size_t column = 0;
};

/// Lines end with \n or \r\n, blank lines are skipped, a byte order mark is passed over. A field that begins
/// with a quote may hold delimiters, line ends and doubled quotes, unless quotes are plain text.
class CsvScanner {
 public:
  /// `text` and `name` (for errors) outlive the scanner.
  CsvScanner(std::string_view text, char delimiter, const std::string& name, bool quotes = true);

  /// Fills `fields` with the next record, or returns false at the end. Throws UserError NAME:LINE:COLUMN on
  /// an open quote and on text behind a closing one.
  bool next(std::vector<CsvField>& fields);

 private:
  bool end_of_line() const;
  void new_line();
  void scan(CsvField& field);
  void scan_quoted(CsvField& field);
  void step();

  std::string_view text_;
  char delimiter_;
  const std::string& name_;
  bool quotes_;
  std::size_t position_ = 0;
  std::size_t line_ = 1;
  std::size_t column_ = 1;
};

}  // namespace fedloom
