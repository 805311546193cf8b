// The builder that gives columns their roles and fields their numbers.
#include "datasets/csv.hpp"

#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <string_view>

#include "core/error.hpp"
#include "datasets/csv_scanner.hpp"
#include "datasets/table_columns.hpp"

namespace fedloom {

namespace {

template <class T>
std::optional<T> parse(std::string_view text) {
  text = trimmed(text);
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<float> parse_feature(const std::string& text) {
  const auto value = parse<double>(text);
  if (!value || !std::isfinite(static_cast<float>(*value))) return std::nullopt;
  return static_cast<float>(*value);
}

class TableBuilder {
 public:
  TableBuilder(const CsvOptions& options, const std::string& name) : options_(options), name_(name) {}

  /// Gives the columns their roles from the first record; true when that record is a header.
  bool begin(const std::vector<CsvField>& first) {
    columns_ = first.size();
    const bool by_name = is_column_name(options_.label) || is_column_name(options_.client);
    bool header = options_.header == "yes" || (options_.header == "auto" && by_name);
    if (by_name && !header)
      throw user_error("{}: columns are chosen by name, so the file needs a header line", name_);
    label_ = find_column(options_.label, first, header, name_);
    if (!options_.client.empty()) client_ = find_column(options_.client, first, header, name_);
    if (client_ == label_)
      throw user_error("{}: column {} cannot be both the label and the client", name_, label_);
    if (options_.header == "auto" && !header) header = looks_like_header(first);
    table_.width = columns_ - (client_ ? 2 : 1);
    if (columns_ < (client_ ? 3U : 2U))
      throw user_error("{}:{}:1: found {} column(s); a table has features and a label{}", name_,
                       first[0].line, columns_, columns_ == 1 ? "; is the delimiter right?" : "");
    for (std::size_t c = 0; header && c < columns_; ++c)
      if (is_feature(c)) table_.feature_names.emplace_back(trimmed(first[c].text));
    return header;
  }

  void add(const std::vector<CsvField>& fields) {
    if (fields.size() != columns_)
      throw user_error("{}:{}:{}: {} fields in this line where the first line has {}", name_, fields[0].line,
                       fields.back().column, fields.size(), columns_);
    for (std::size_t c = 0; c < columns_; ++c) {
      if (!is_feature(c)) continue;
      const auto value = parse_feature(fields[c].text);
      if (!value)
        throw user_error("{}:{}:{}: expected a finite number, found '{}'", name_, fields[c].line,
                         fields[c].column, fields[c].text.substr(0, 40));
      table_.features.push_back(*value);
    }
    CsvField label = fields[label_];
    label.text = std::string(trimmed(label.text));
    labels_.push_back(std::move(label));
    if (client_) add_group(std::string(trimmed(fields[*client_].text)));
  }

  CsvTable finish(const std::vector<std::string>& label_names) {
    if (labels_.empty()) throw user_error("{}: holds no rows of data", name_);
    LabelColumn column = read_labels(labels_, name_, options_.classes, label_names);
    table_.labels = std::move(column.values);
    table_.label_names = std::move(column.names);
    table_.classes = column.classes;
    return std::move(table_);
  }

 private:
  /// Whether all features of the first record are words; words and numbers side by side are a mistake.
  bool looks_like_header(const std::vector<CsvField>& first) const {
    const CsvField* word = nullptr;
    bool number = false;
    for (std::size_t c = 0; c < columns_; ++c) {
      if (!is_feature(c)) continue;
      if (parse<double>(first[c].text))
        number = true;
      else if (word == nullptr)
        word = &first[c];
    }
    if (word != nullptr && number)
      throw user_error(
          "{}:{}:{}: found '{}' among numbers in the first line; a header has no numbers (header: yes if it "
          "is one all the same), and data has nothing else",
          name_, word->line, word->column, word->text);
    return word != nullptr;
  }
  bool is_feature(std::size_t column) const { return column != label_ && column != client_; }

  void add_group(std::string name) {
    const auto [it, fresh] = groups_.emplace(std::move(name), static_cast<std::uint32_t>(groups_.size()));
    if (fresh) table_.group_names.push_back(it->first);
    table_.groups.push_back(it->second);
  }

  const CsvOptions& options_;
  const std::string& name_;
  std::size_t columns_ = 0;
  std::size_t label_ = 0;
  std::optional<std::size_t> client_;
  std::vector<CsvField> labels_;
  std::map<std::string, std::uint32_t> groups_;
  CsvTable table_;
};

}  // namespace

CsvTable read_csv(ByteSource& source, const CsvOptions& options,
                  const std::vector<std::string>& label_names) {
  const std::string& name = source.name();
  char delimiter = options.delimiter;
  if (delimiter == '\0') delimiter = usual_delimiter(name);
  const std::string text = source.read_all();
  if (text.find('\0') != std::string::npos)
    throw user_error("{}: holds zero bytes; it is not a text table", name);
  CsvScanner scanner(text, delimiter, name);
  TableBuilder builder(options, name);
  std::vector<CsvField> fields;
  if (!scanner.next(fields)) throw user_error("{}: is empty", name);
  if (!builder.begin(fields)) builder.add(fields);
  while (scanner.next(fields)) builder.add(fields);
  return builder.finish(label_names);
}

std::shared_ptr<const TableExamples> to_examples(CsvTable table) {
  return std::make_shared<TableExamples>(DataSpec{{static_cast<std::int64_t>(table.width)}, table.classes, 0},
                                         std::move(table.features), std::move(table.labels),
                                         std::move(table.groups));
}

}  // namespace fedloom
