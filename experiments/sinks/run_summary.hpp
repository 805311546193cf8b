// summary.json: the one-page result of a run, for scripts and for the report; and the sink that adds up
// what the events tell of it. Process figures (sockets, memory, CPU) are filled in by whoever measures them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "core/events.hpp"
#include "experiments/sinks/run_log.hpp"

namespace fedloom {

/// Absent numbers are null in the file. Bytes are bytes, seconds wall seconds, accuracies shares in [0, 1].
struct RunSummary {
  std::string experiment;
  std::string strategy;
  std::string model;
  std::string data;
  std::uint64_t seed = 0;
  std::uint64_t rounds = 0;
  std::string reason;  // why it ended: as RunEnded::reason
  std::optional<double> final_test_accuracy;
  std::optional<double> final_test_loss;
  std::optional<double> final_validation_accuracy;
  std::optional<double> best_test_accuracy;
  std::optional<std::uint64_t> best_round;  // the first that reached best_test_accuracy
  std::optional<double> target_accuracy;
  std::optional<std::uint64_t> rounds_to_target;  // absent: not reached, or no target
  std::optional<double> simulated_seconds;        // of the federation's time; absent where ticks are no time
  std::optional<double> seconds_to_target;        // of the same
  std::optional<double> epsilon;                  // of privacy, spent; absent: none was asked for
  std::string model_hash;                         // SHA-256 over the float bits, hex
  std::string events_hash;                        // SHA-256 over events.jsonl, hex
  std::uint64_t clients_accepted = 0;
  std::uint64_t clients_dropped = 0;  // rejected, discarded, lost or cancelled
  std::uint64_t bytes_up = 0;         // deployed: what clients send …
  std::uint64_t bytes_down = 0;       // … and receive
  std::uint64_t socket_bytes_sent = 0;
  std::uint64_t socket_bytes_received = 0;
  std::uint64_t client_trainings = 0;  // done by the machine, repeated ones included
  double wall_seconds = 0.0;
  std::map<std::string, std::uint64_t> peak_rss_bytes;  // per process: "server", "worker 1", …
  std::string version;                                  // of fedloom
  std::string cpu;

  bool operator==(const RunSummary&) const = default;
};

/// Indented JSON with the fields in the order above, newline at the end.
std::string to_json(const RunSummary& summary);
/// Missing and unknown fields are fine, wrong types are a UserError that names `source`.
RunSummary summary_from_json(const std::string& text, const std::string& source);

/// Replaces `path` atomically. Throws UserError.
void write_summary(const std::string& path, const RunSummary& summary);
RunSummary read_summary(const std::string& path);

/// Folds the streams into a RunSummary. A resumed run first feeds it the federation events before the
/// checkpoint, and starts from what the earlier processes used.
class SummarySink final : public Sink {
 public:
  /// target_accuracy: share in (0, 1], or nothing; reached when the `target_split` accuracy is at least that.
  explicit SummarySink(std::optional<double> target_accuracy = std::nullopt,
                       std::string target_split = "test", const MachineTotals& earlier = {});

  void on(const FederationEvent& event) override;
  void on(const MachineEvent& event) override;

  /// What the events told so far; the caller fills in the rest.
  const RunSummary& summary() const { return summary_; }

 private:
  void evaluated(const Evaluated& event);
  std::optional<double> seconds(Tick tick) const;

  std::string target_split_;
  MachineTotals earlier_;
  double ticks_per_second_ = 1.0;
  RunSummary summary_;
};

}  // namespace fedloom
