// metrics.csv: a row per evaluated round, for spreadsheets and plotting scripts. Everything in it but the
// wall time follows from the federation events, so a resumed run rebuilds the rows it keeps from
// events.jsonl.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/events.hpp"
#include "experiments/sinks/output_file.hpp"

namespace fedloom {

/// Columns, all numbers; a value that does not exist is left empty:
///   round, tick, version       the moment of the evaluation
///   test_loss, test_accuracy, validation_loss, validation_accuracy    accuracies are shares in [0, 1]
///   client_accuracy_mean, client_accuracy_p10    over the clients' own held-out data
///   train_loss                 of the last closed round, mean over the examples of accepted tasks
///   clients_accepted, clients_dropped, bytes_up, bytes_down    sums since the start of the run
///   wall_seconds               spent on the run so far, earlier processes included
/// Named evaluation sets are not columns: their number is not known when the header is written.
class MetricsCsv final : public Sink {
 public:
  using Sink::on;

  /// Starts an empty file. `seconds`: wall seconds since the start of this process.
  MetricsCsv(const std::string& file, std::function<double()> seconds);
  /// Cuts the file back to what the first `offset` bytes of `events_file` tell, and goes on from there. The
  /// wall time goes on from `earlier_seconds`, which the processes before this one have spent.
  MetricsCsv(const std::string& file, std::function<double()> seconds, const std::string& events_file,
             std::uint64_t offset, double earlier_seconds);

  void on(const FederationEvent& event) override;
  /// Writes the last row. Throws UserError when the disk is full.
  void finish() override;

  static std::string_view header();

 private:
  struct Row {
    WindowId round = 0;
    Tick tick = 0;
    Version version = 0;
    std::optional<double> test_loss, test_accuracy;
    std::optional<double> validation_loss, validation_accuracy;
    std::optional<double> client_accuracy_mean, client_accuracy_p10;
    double wall_seconds = 0.0;
  };

  void apply(const FederationEvent& event, const std::function<double()>& wall);
  template <class Event>
  Row& row_of(const Event& event, const std::function<double()>& wall);
  void close_row();

  std::optional<OutputFile> file_;
  std::function<double()> wall_;
  std::optional<Row> row_;  // of the round under evaluation
  std::string rows_;        // closed rows that are not in the file yet
  std::optional<double> train_loss_;
  std::uint64_t accepted_ = 0;
  std::uint64_t dropped_ = 0;
  std::uint64_t bytes_up_ = 0;
  std::uint64_t bytes_down_ = 0;
};

/// One row of a metrics.csv by column name; empty cells are absent.
using MetricsRow = std::map<std::string, double, std::less<>>;

/// All whole rows. Throws UserError (file:line) on a row that does not fit the header.
std::vector<MetricsRow> read_metrics(const std::string& file);

/// The value below which `share` of the values lie, interpolated between neighbours (numpy's default).
/// sorted: ascending, finite, at least one. share in [0, 1].
double quantile_of_sorted(const std::vector<double>& sorted, double share);

/// What the clients' accuracies come to. Values that are not finite are left out; nothing when none is left.
struct ClientAccuracy {
  double mean = 0.0;
  double p10 = 0.0;  // a tenth of the clients do worse
};
std::optional<ClientAccuracy> client_accuracy(const ClientsEvaluated& event);

}  // namespace fedloom
