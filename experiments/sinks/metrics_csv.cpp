// Rows of metrics.csv: opened by the first evaluation of a round, written when the next round begins.
#include "experiments/sinks/metrics_csv.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "core/file.hpp"
#include "experiments/sinks/events_log.hpp"

namespace fedloom {

namespace {

constexpr std::string_view kHeader =
    "round,tick,version,test_loss,test_accuracy,validation_loss,validation_accuracy,client_accuracy_mean,"
    "client_accuracy_p10,train_loss,clients_accepted,clients_dropped,bytes_up,bytes_down,wall_seconds";

std::string cell(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? fmt::format("{}", *value) : "";
}

// Wall seconds by round, from the rows an earlier process wrote.
std::map<WindowId, double> wall_seconds_of(const std::string& file) {
  std::map<WindowId, double> seconds;
  if (!std::filesystem::exists(file)) return seconds;
  for (const MetricsRow& row : read_metrics(file))
    if (row.contains("round") && row.contains("wall_seconds"))
      seconds[static_cast<WindowId>(row.find("round")->second)] = row.find("wall_seconds")->second;
  return seconds;
}

std::vector<std::string_view> split_cells(std::string_view line) {
  std::vector<std::string_view> cells;
  for (std::size_t comma = line.find(','); comma != std::string_view::npos; comma = line.find(',')) {
    cells.push_back(line.substr(0, comma));
    line.remove_prefix(comma + 1);
  }
  cells.push_back(line);
  return cells;
}

}  // namespace

std::string_view MetricsCsv::header() { return kHeader; }

MetricsCsv::MetricsCsv(const std::string& file, std::function<double()> seconds)
    : file_(OutputFile::create(file)), wall_(std::move(seconds)) {
  file_->append(fmt::format("{}\n", kHeader));
  file_->flush();
}

MetricsCsv::MetricsCsv(const std::string& file, std::function<double()> seconds,
                       const std::string& events_file, std::uint64_t offset, double earlier_seconds) {
  const std::map<WindowId, double> old_seconds = wall_seconds_of(file);
  WindowId round = 0;
  const auto replayed_wall = [&] {
    // The row of the last round may not have been written when the process died.
    const auto found = old_seconds.find(round);
    return found == old_seconds.end() ? earlier_seconds : found->second;
  };
  for_each_event(events_file, offset, [&](const FederationEvent& event) {
    std::visit(
        [&](const auto& e) {
          if constexpr (requires { e.window; }) round = e.window;
        },
        event);
    apply(event, replayed_wall);
  });
  write_file_atomically(file, fmt::format("{}\n{}", kHeader, std::exchange(rows_, {})), true);
  file_.emplace(OutputFile::extend(file));
  wall_ = [earlier_seconds, now = std::move(seconds)] { return earlier_seconds + now(); };
}

void MetricsCsv::on(const FederationEvent& event) {
  apply(event, wall_);
  if (rows_.empty()) return;
  file_->append(std::exchange(rows_, {}));
  file_->flush();  // one short line per evaluation: whoever watches the file sees it at once
}

void MetricsCsv::finish() {
  close_row();
  file_->append(std::exchange(rows_, {}));
  file_->flush();
}

template <class Event>
MetricsCsv::Row& MetricsCsv::row_of(const Event& event, const std::function<double()>& wall) {
  if (row_ && row_->round != event.window) close_row();
  if (!row_) {
    row_ = Row{};
    row_->round = event.window;
    row_->tick = event.tick;
    row_->version = event.version;
    row_->wall_seconds = wall();
  }
  return *row_;
}

void MetricsCsv::apply(const FederationEvent& event, const std::function<double()>& wall) {
  if (std::holds_alternative<WindowOpened>(event) || std::holds_alternative<RunEnded>(event)) {
    close_row();
  } else if (const auto* closed = std::get_if<WindowClosed>(&event)) {
    if (row_ && row_->round != closed->window) close_row();
    accepted_ += closed->accepted;
    dropped_ += closed->rejected + closed->discarded + closed->lost + closed->cancelled;
    bytes_up_ += closed->bytes_up;
    bytes_down_ += closed->bytes_down;
    train_loss_.reset();
    if (std::isfinite(closed->train_loss)) train_loss_ = closed->train_loss;
  } else if (const auto* e = std::get_if<Evaluated>(&event)) {
    Row& row = row_of(*e, wall);
    if (e->split == "test") row.test_loss = e->loss, row.test_accuracy = e->accuracy;
    if (e->split == "validation") row.validation_loss = e->loss, row.validation_accuracy = e->accuracy;
  } else if (const auto* clients = std::get_if<ClientsEvaluated>(&event)) {
    Row& row = row_of(*clients, wall);
    bytes_up_ += clients->bytes_up;
    bytes_down_ += clients->bytes_down;
    if (const auto accuracy = client_accuracy(*clients)) {
      row.client_accuracy_mean = accuracy->mean;
      row.client_accuracy_p10 = accuracy->p10;
    }
  }
}

void MetricsCsv::close_row() {
  if (!row_) return;
  const Row row = *std::exchange(row_, std::nullopt);
  rows_ += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{:.3f}\n", row.round, row.tick, row.version,
                       cell(row.test_loss), cell(row.test_accuracy), cell(row.validation_loss),
                       cell(row.validation_accuracy), cell(row.client_accuracy_mean),
                       cell(row.client_accuracy_p10), cell(train_loss_), accepted_, dropped_, bytes_up_,
                       bytes_down_, row.wall_seconds);
}

std::vector<MetricsRow> read_metrics(const std::string& file) {
  std::vector<MetricsRow> rows;
  std::vector<std::string> names;
  for_each_line(file, kWholeFile, [&](std::string_view line, std::uint64_t number) {
    const std::vector<std::string_view> cells = split_cells(line);
    if (number == 1) {
      names.assign(cells.begin(), cells.end());
      return;
    }
    if (cells.size() != names.size())
      throw user_error("{}:{}: {} cells, but the header names {} columns", file, number, cells.size(),
                       names.size());
    MetricsRow& row = rows.emplace_back();
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (cells[i].empty()) continue;
      double value = 0.0;
      const char* last = cells[i].data() + cells[i].size();
      const auto [end, error] = std::from_chars(cells[i].data(), last, value);
      if (error != std::errc() || end != last)
        throw user_error("{}:{}: {} is \"{}\", expected a number", file, number, names[i], cells[i]);
      row[names[i]] = value;
    }
  });
  return rows;
}

double quantile_of_sorted(const std::vector<double>& sorted, double share) {
  FEDLOOM_CHECK(!sorted.empty() && share >= 0 && share <= 1, "{} values, share {}", sorted.size(), share);
  const double position = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (position - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

std::optional<ClientAccuracy> client_accuracy(const ClientsEvaluated& event) {
  std::vector<double> values = event.accuracies;
  std::erase_if(values, [](double value) { return !std::isfinite(value); });
  if (values.empty()) return std::nullopt;
  std::sort(values.begin(), values.end());
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  return ClientAccuracy{sum / static_cast<double>(values.size()), quantile_of_sorted(values, 0.1)};
}

}  // namespace fedloom
