// Columns of the first line, then one row after another.
#include "datasets/text_table.hpp"

#include <map>
#include <optional>

#include "core/error.hpp"
#include "datasets/table_columns.hpp"

namespace fedloom {

namespace {

/// Lines of "LABEL the rest is text", as two fields each.
class FirstSpaceScanner {
 public:
  FirstSpaceScanner(std::string_view text, const std::string& name) : lines_(text, '\n', name, false) {}
  bool next(std::vector<CsvField>& fields) {
    if (!lines_.next(fields)) return false;
    const CsvField line = fields[0];
    const std::size_t space = line.text.find(' ');
    fields[0].text = line.text.substr(0, space);
    fields.resize(1);
    if (space != std::string::npos)
      fields.push_back({line.text.substr(space + 1), line.line, line.column + space + 1});
    return true;
  }

 private:
  CsvScanner lines_;  // no field holds a line end, so a line is a field
};

std::string unescaped(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char next = text[i] == '\\' && i + 1 < text.size() ? text[i + 1] : '\0';
    if (next == 'n' || next == 't' || next == '\\') {
      plain += next == 'n' ? '\n' : next == 't' ? '\t' : '\\';
      ++i;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

class TextTableBuilder {
 public:
  TextTableBuilder(const TextTableOptions& options, const std::string& name) : options_(options) {
    table_.file = name;
  }

  /// Gives the columns their roles from the first record; true when that record is a header.
  bool begin(const std::vector<CsvField>& first) {
    columns_ = first.size();
    bool by_name = is_column_name(options_.label) || is_column_name(options_.client);
    for (const std::string& column : options_.text) by_name = by_name || is_column_name(column);
    const bool header = options_.header == "yes" || (options_.header == "auto" && by_name);
    if (by_name && !header)
      throw user_error("{}: columns are chosen by name, so the file needs a header line", table_.file);
    if (columns_ < 2)
      throw user_error("{}:{}:1: found {} column; a row has a label and a text; is the delimiter right?",
                       table_.file, first[0].line, columns_);
    label_ = find_column(options_.label, first, header, table_.file);
    if (!options_.client.empty()) client_ = find_column(options_.client, first, header, table_.file);
    for (const std::string& column : options_.text) {
      texts_.push_back(find_column(column, first, header, table_.file));
      if (texts_.back() == label_)
        throw user_error("{}: column {} cannot be both the label and the text", table_.file, label_);
    }
    if (texts_.empty()) throw user_error("data.source.text: name at least one column");
    return header;
  }

  void add(const std::vector<CsvField>& fields) {
    if (fields.size() != columns_)
      throw user_error("{}:{}:{}: {} field(s) in this line where the first line has {}", table_.file,
                       fields[0].line, fields.back().column, fields.size(), columns_);
    CsvField label = fields[label_];
    label.text = std::string(trimmed(label.text));
    table_.labels.push_back(std::move(label));
    std::string text;
    for (const std::size_t column : texts_) {
      if (!text.empty()) text += ' ';
      text += options_.escapes ? unescaped(fields[column].text) : fields[column].text;
    }
    table_.texts.push_back(std::move(text));
    if (!client_) return;
    const auto [it, fresh] = groups_.emplace(trimmed(fields[*client_].text), groups_.size());
    if (fresh) table_.group_names.push_back(it->first);
    table_.groups.push_back(it->second);
  }

  TextTable finish() {
    if (table_.labels.empty()) throw user_error("{}: holds no rows of data", table_.file);
    return std::move(table_);
  }

 private:
  const TextTableOptions& options_;
  std::size_t columns_ = 0;
  std::size_t label_ = 0;
  std::vector<std::size_t> texts_;
  std::optional<std::size_t> client_;
  std::map<std::string, std::uint32_t, std::less<>> groups_;
  TextTable table_;
};

template <class Scanner>
TextTable read_rows(Scanner scanner, TextTableBuilder builder, const std::string& name) {
  std::vector<CsvField> fields;
  if (!scanner.next(fields)) throw user_error("{}: is empty", name);
  if (!builder.begin(fields)) builder.add(fields);
  while (scanner.next(fields)) builder.add(fields);
  return builder.finish();
}

}  // namespace

TextTable read_text_table(ByteSource& source, const TextTableOptions& options) {
  const std::string& name = source.name();
  const char delimiter = options.delimiter == '\0' ? usual_delimiter(name) : options.delimiter;
  const std::string text = source.read_all();
  if (text.find('\0') != std::string::npos)
    throw user_error("{}: holds zero bytes; it is not a text table", name);
  TextTableBuilder builder(options, name);
  if (delimiter == ' ') return read_rows(FirstSpaceScanner(text, name), std::move(builder), name);
  const bool quotes = options.quotes == "yes" || (options.quotes == "auto" && delimiter != '\t');
  return read_rows(CsvScanner(text, delimiter, name, quotes), std::move(builder), name);
}

}  // namespace fedloom
