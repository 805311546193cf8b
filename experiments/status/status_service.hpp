// The live view of a run: "/" is the report of what there is so far, which draws itself anew while the run
// goes on,
// "/metrics" is for Prometheus. Read-only; nothing of it touches the run.
#pragma once

#include <memory>
#include <string>

#include "experiments/status/http_server.hpp"
#include "experiments/status/run_metrics.hpp"

namespace fedloom {

class StatusService {
 public:
  /// where: "8480", "127.0.0.1:8480" or "[::1]:8480"; without an address 127.0.0.1. `folder`: of the run.
  /// Throws UserError.
  StatusService(const std::string& where, const std::string& folder);
  ~StatusService();

  /// To be told of every event.
  RunMetrics& metrics() { return metrics_; }
  const std::string& address() const { return server_->address(); }

 private:
  class Pages;

  RunMetrics metrics_;
  std::unique_ptr<Pages> pages_;
  std::unique_ptr<HttpServer> server_;  // last: its thread uses the others
};

}  // namespace fedloom
