// One pass over the text, byte by byte.
#include "datasets/csv_scanner.hpp"

#include "core/error.hpp"

namespace fedloom {

CsvScanner::CsvScanner(std::string_view text, char delimiter, const std::string& name, bool quotes)
    : text_(text), delimiter_(delimiter), name_(name), quotes_(quotes) {
  if (text_.starts_with("\xEF\xBB\xBF")) position_ = 3;
}

bool CsvScanner::next(std::vector<CsvField>& fields) {
  while (position_ < text_.size() && end_of_line()) new_line();
  if (position_ >= text_.size()) return false;
  std::size_t count = 0;
  while (true) {
    if (count == fields.size()) fields.emplace_back();
    scan(fields[count++]);
    if (position_ >= text_.size()) break;
    if (end_of_line()) {
      new_line();
      break;
    }
    ++position_;  // the delimiter
    ++column_;
  }
  fields.resize(count);
  return true;
}

bool CsvScanner::end_of_line() const {
  const char c = text_[position_];
  return c == '\n' || (c == '\r' && position_ + 1 < text_.size() && text_[position_ + 1] == '\n');
}

void CsvScanner::new_line() {
  position_ += text_[position_] == '\r' ? 2 : 1;
  ++line_;
  column_ = 1;
}

void CsvScanner::scan(CsvField& field) {
  field.text.clear();
  field.line = line_;
  field.column = column_;
  if (quotes_ && position_ < text_.size() && text_[position_] == '"') return scan_quoted(field);
  const std::size_t start = position_;
  while (position_ < text_.size() && text_[position_] != delimiter_ && !end_of_line()) ++position_;
  field.text.assign(text_.substr(start, position_ - start));
  column_ += position_ - start;
}

void CsvScanner::scan_quoted(CsvField& field) {
  step();
  while (true) {
    if (position_ >= text_.size())
      throw user_error("{}:{}:{}: the quote that opens here is never closed", name_, field.line,
                       field.column);
    if (text_[position_] == '"') {
      step();
      if (position_ >= text_.size() || text_[position_] != '"') break;
    }
    field.text += text_[position_];
    step();
  }
  if (position_ < text_.size() && text_[position_] != delimiter_ && !end_of_line())
    throw user_error("{}:{}:{}: text after the closing quote; write a quote inside a field as \"\"", name_,
                     line_, column_);
}

void CsvScanner::step() {
  if (text_[position_] == '\n') {
    ++line_;
    column_ = 0;
  }
  ++position_;
  ++column_;
}

}  // namespace fedloom
