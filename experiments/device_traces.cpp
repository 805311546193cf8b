// Reading traces of devices, with the place of everything that is wrong.
#include "experiments/device_traces.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "core/error.hpp"
#include "datasets/csv_scanner.hpp"

namespace fedloom {

namespace {

const std::map<std::string, Measure>& speed_columns() {
  static const std::map<std::string, Measure> columns = {{"task", Measure::seconds},
                                                         {"compute", Measure::seconds},
                                                         {"downlink", Measure::bytes_per_second},
                                                         {"uplink", Measure::bytes_per_second},
                                                         {"latency", Measure::seconds}};
  return columns;
}

std::string trimmed(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

/// A table of a few named columns.
class Table {
 public:
  Table(const std::string& text, const std::string& name, const std::vector<std::string>& known)
      : name_(name), scanner_(text, ',', name_) {
    std::vector<CsvField> header;
    if (!scanner_.next(header)) throw user_error("{}: is empty; its first line names the columns", name_);
    for (const CsvField& field : header) {
      const std::string column = trimmed(field.text);
      if (std::find(known.begin(), known.end(), column) == known.end()) {
        const std::string guess = nearest(column, known);
        fail(field, fmt::format("no column is called '{}'{}; known: {}", column,
                                guess.empty() ? "" : fmt::format(" (did you mean '{}'?)", guess),
                                fmt::join(known, ", ")));
      }
      if (has(column)) fail(field, fmt::format("column '{}' is there twice", column));
      columns_.push_back(column);
    }
  }

  const std::vector<std::string>& columns() const { return columns_; }
  bool has(const std::string& column) const {
    return std::find(columns_.begin(), columns_.end(), column) != columns_.end();
  }

  bool next() {
    if (!scanner_.next(row_)) return false;
    if (row_.size() != columns_.size())
      fail(row_.back(),
           fmt::format("{} fields in this line; the header has {}", row_.size(), columns_.size()));
    return true;
  }

  const CsvField& field(const std::string& column) const {
    return row_[static_cast<std::size_t>(std::find(columns_.begin(), columns_.end(), column) -
                                         columns_.begin())];
  }

  /// An amount >= 0 in `unit`.
  double amount(const std::string& column, Measure unit) const {
    const CsvField& found = field(column);
    const std::optional<Quantity> parsed = parse_quantity(trimmed(found.text));
    if (!parsed || parsed->value < 0.0)
      fail(found, fmt::format("expected an amount, at least 0, found '{}'; units: {}",
                              found.text.substr(0, 40), quantity_units()));
    Quantity quantity = *parsed;
    quantity.where = fmt::format("{}:{}:{}: {}", name_, found.line, found.column, column);
    return quantity.in(unit);
  }

  /// The number of the row's client; at most `most`.
  std::size_t client(std::size_t most) const {
    const CsvField& found = field("client");
    const std::string text = trimmed(found.text);
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number > most)
      fail(found, fmt::format("expected the number of a client, 0, 1, 2 and so on without gaps, found '{}'",
                              text.substr(0, 40)));
    return number;
  }

  [[noreturn]] void fail(const CsvField& field, const std::string& message) const {
    throw user_error("{}:{}:{}: {}", name_, field.line, field.column, message);
  }

 private:
  const std::string& name_;
  CsvScanner scanner_;
  std::vector<std::string> columns_;
  std::vector<CsvField> row_;
};

// Clients are numbered without gaps, so a number cannot exceed the lines of the file.
std::size_t lines_of(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

void expect_everybody(const std::vector<bool>& seen, const std::string& name) {
  if (seen.empty()) throw user_error("{}: names its columns, but has no rows", name);
  const auto gap = std::find(seen.begin(), seen.end(), false);
  if (gap != seen.end())
    throw user_error("{}: client {} has no row; number clients from 0 without gaps", name,
                     gap - seen.begin());
}

}  // namespace

SpeedTrace read_speed_trace(const std::string& text, const std::string& name) {
  std::vector<std::string> known = {"client"};
  for (const auto& [column, unit] : speed_columns()) known.push_back(column);
  Table table(text, name, known);
  SpeedTrace trace;
  std::vector<bool> seen;
  for (std::size_t row = 0; table.next(); ++row) {
    const std::size_t device = table.has("client") ? table.client(lines_of(text)) : row;
    if (device >= seen.size()) seen.resize(device + 1);
    if (seen[device]) table.fail(table.field("client"), fmt::format("client {} is there twice", device));
    seen[device] = true;
    for (const std::string& column : table.columns()) {
      if (column == "client") continue;
      std::vector<double>& values = trace[column];
      if (values.size() < seen.size()) values.resize(seen.size());
      values[device] = table.amount(column, speed_columns().at(column));
    }
  }
  expect_everybody(seen, name);
  if (trace.empty())
    throw user_error("{}: has no column beside client; known: {}", name, fmt::join(known, ", "));
  return trace;
}

AvailabilityTrace read_availability_trace(const std::string& text, const std::string& name, double period,
                                          double ticks_per_second) {
  const std::vector<std::string> columns = {"client", "active_from", "active_until"};
  Table table(text, name, columns);
  for (const std::string& column : columns)
    if (!table.has(column)) throw user_error("{}: has no column '{}'", name, column);
  const auto tick = [&](const std::string& column) {
    const double ticks = table.amount(column, Measure::seconds) * ticks_per_second;
    if (ticks > 0x1p60) table.fail(table.field(column), "is beyond the end of time");
    return static_cast<Tick>(std::llround(ticks));
  };
  AvailabilityTrace trace;
  trace.period = std::llround(period * ticks_per_second);
  const bool measured = trace.period <= 0;
  std::vector<bool> seen;
  while (table.next()) {
    const std::size_t device = table.client(lines_of(text));
    if (device >= seen.size()) seen.resize(device + 1);
    seen[device] = true;
    trace.devices.resize(seen.size());
    const Presence presence{tick("active_from"), tick("active_until")};
    if (presence.until < presence.from) table.fail(table.field("active_until"), "ends before it begins");
    if (!measured && presence.until > trace.period)
      table.fail(table.field("active_until"), fmt::format("is after the trace starts over, at {} s", period));
    if (measured) trace.period = std::max<Tick>({1, trace.period, presence.until});
    trace.devices[device].push_back(presence);
  }
  expect_everybody(seen, name);
  return trace;
}

}  // namespace fedloom
