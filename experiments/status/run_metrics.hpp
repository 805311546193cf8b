// What a run is doing, as numbers that Prometheus collects:
// https://prometheus.io/docs/instrumenting/exposition_formats (text format 0.0.4). A sink beside the others;
// it computes nothing of its own.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "core/events.hpp"

namespace fedloom {

/// Hears of events on one thread; text() may be asked on any.
class RunMetrics final : public Sink {
 public:
  void on(const FederationEvent& event) override;
  void on(const MachineEvent& event) override;

  /// All metrics, each with HELP and TYPE. What has not happened yet is not there.
  std::string text() const;

 private:
  struct Totals {
    RunStarted run;
    bool started = false;
    std::uint64_t rounds = 0;
    std::map<std::string, std::uint64_t> tasks;  // by verdict
    std::uint64_t bytes_up = 0;
    std::uint64_t bytes_down = 0;
    double train_loss = kNoNumber;
    std::map<std::string, Evaluated> evaluated;  // by split
    std::map<std::string, double> reported;      // what strategy and server report of the latest round
    std::int64_t connected = 0;
    std::map<std::string, std::uint64_t> refused;  // by reason
    std::uint64_t retries = 0;
    std::uint64_t checkpoint_round = 0;
    MachineState machine;
    bool ended = false;
  };

  mutable std::mutex mutex_;
  Totals totals_;
};

}  // namespace fedloom
