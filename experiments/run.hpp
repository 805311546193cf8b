// `fedloom run` and `fedloom server`: a run folder, a server, peers, and a loop to the end.
// The federation itself is server/ and client/; here is everything around one run of it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "experiments/sinks/run_summary.hpp"
#include "wiring/experiment.hpp"

namespace fedloom {

struct RunOptions {
  std::string out;  // run folder; "" is runs/NAME
  std::string data_dir;
  bool resume = false;
  bool quiet = false;
  bool report = true;     // write report.html at the end
  bool deployed = false;  // wait for deployed clients instead of starting workers
  bool insecure = false;  // deployed: serve other machines without keys
  /// Extra sinks, for tests and programs that use the library.
  std::vector<Sink*> sinks;
};

struct RunResult {
  RunSummary summary;
  std::string folder;
  bool complete = false;  // false: stopped by a signal; resume continues
};

/// Runs an experiment to its end or to a signal. Throws UserError.
RunResult run_experiment(const Experiment& experiment, const RunOptions& options);

/// A worker process (or, in tests, thread): serves the server at `endpoint` until it says goodbye.
/// `tasks` are trained at a time, by `crew` threads each. Returns the process's exit code.
int run_worker(const std::string& endpoint, const std::string& name, const std::string& data_dir,
               const std::string& store_dir, std::size_t tasks, std::size_t crew,
               std::uint64_t receive_budget);

}  // namespace fedloom
