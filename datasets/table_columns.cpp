// Roles of columns and numbers of labels.
#include "datasets/table_columns.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <optional>

#include "core/error.hpp"

namespace fedloom {

namespace {

constexpr std::size_t kMostShown = 40;
constexpr std::int64_t kMostClasses = 1'000'000;

std::optional<std::int64_t> whole_number(std::string_view text) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

LabelColumn number_labels(const std::vector<CsvField>& labels, const std::string& file,
                          std::int64_t classes) {
  LabelColumn column;
  const std::int64_t most = classes > 0 ? classes : kMostClasses;
  std::int64_t largest = 0;
  for (const CsvField& label : labels) {
    const auto value = whole_number(label.text);
    if (!value || *value >= most)
      throw user_error("{}:{}:{}: the label '{}' is not a whole number in 0..{}", file, label.line,
                       label.column, label.text.substr(0, kMostShown), most - 1);
    largest = std::max(largest, *value);
    column.values.push_back(static_cast<std::int32_t>(*value));
  }
  column.classes = classes > 0 ? classes : largest + 1;
  return column;
}

LabelColumn name_labels(const std::vector<CsvField>& labels, const std::string& file,
                        std::vector<std::string> names) {
  if (names.empty()) {
    for (const CsvField& label : labels) names.push_back(label.text);
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
  }
  LabelColumn column;
  std::map<std::string_view, std::int32_t> numbers;
  for (const std::string& known : names) numbers.emplace(known, static_cast<std::int32_t>(numbers.size()));
  for (const CsvField& label : labels) {
    const auto it = numbers.find(label.text);
    if (label.text.empty() || it == numbers.end())
      throw user_error("{}:{}:{}: the label '{}' is not one of: {}", file, label.line, label.column,
                       label.text.substr(0, kMostShown), fmt::join(names, ", "));
    column.values.push_back(it->second);
  }
  column.classes = static_cast<std::int64_t>(names.size());
  column.names = std::move(names);
  return column;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
    text.remove_suffix(1);
  return text;
}

char usual_delimiter(std::string_view file) {
  for (const std::string_view packing : {".gz", ".xz"})
    if (file.ends_with(packing)) file.remove_suffix(packing.size());
  return file.ends_with(".tsv") ? '\t' : ',';
}

bool is_column_name(const std::string& column) {
  return !column.empty() && column != "last" && !whole_number(column);
}

std::size_t find_column(const std::string& wanted, const std::vector<CsvField>& first, bool header,
                        const std::string& file) {
  if (wanted == "last") return first.size() - 1;
  std::vector<std::string> names;
  for (std::size_t c = 0; header && c < first.size(); ++c) {
    names.emplace_back(trimmed(first[c].text));
    if (names.back() == wanted) return c;
  }
  const auto number = whole_number(wanted);
  if (number && static_cast<std::uint64_t>(*number) < first.size()) return static_cast<std::size_t>(*number);
  const std::string guess = nearest(wanted, names);
  throw user_error("{}: there is no column '{}'{}; there are {} columns{}", file, wanted,
                   guess.empty() ? "" : fmt::format(" (did you mean '{}'?)", guess), first.size(),
                   names.empty() ? ", numbered from 0" : fmt::format(": {}", fmt::join(names, ", ")));
}

LabelColumn read_labels(const std::vector<CsvField>& labels, const std::string& file, std::int64_t classes,
                        std::vector<std::string> names) {
  const bool numbers = std::all_of(labels.begin(), labels.end(), [](const CsvField& label) {
    const auto value = whole_number(label.text);
    return value && *value <= std::numeric_limits<std::int32_t>::max();
  });
  if (!names.empty() || (!numbers && classes == 0)) return name_labels(labels, file, std::move(names));
  return number_labels(labels, file, classes);
}

}  // namespace fedloom
