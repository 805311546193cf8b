// Everything that is ever reported, as a closed set of plain structs. Federation events tell what happened
// in the federation, in virtual order, and are hashed; machine events tell what the machine did and never
// are. Progress, CSV, JSONL, TensorBoard and the report all read this one stream.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "core/error.hpp"
#include "core/ids.hpp"

namespace fedloom {

/// What a mean over nothing is; null in JSON.
inline constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();

// ---- the federation (events.jsonl) ----

struct RunStarted {
  std::string experiment;
  std::string strategy;
  std::string pacer;
  std::string model;
  std::string data;
  std::uint64_t seed = 0;
  std::uint64_t clients = 0;
  std::uint64_t parameters = 0;
  std::uint64_t layout = 0;       // fingerprint
  double ticks_per_second = 1.0;  // above 0; 1 where a tick has no unit, so above 1 means that ticks are time
};

struct WindowOpened {
  WindowId window = 0;
  Tick tick = 0;
  Version version = 0;
};

struct TaskStarted {
  WindowId window = 0;
  Tick tick = 0;
  TaskId task;
  std::string kind;
  Version version = 0;
  std::uint64_t bytes_down = 0;  // what the client would receive deployed
};

struct TaskEnded {
  WindowId window = 0;  // the window that judged it
  Tick tick = 0;
  TaskId task;
  Verdict verdict = Verdict::accepted;
  Reason reason = Reason::none;
  std::uint64_t staleness = 0;
  std::uint64_t examples = 0;
  std::uint64_t steps = 0;
  double train_loss = kNoNumber;  // mean over the examples of the task's local work
  std::uint64_t bytes_up = 0;
};

struct WindowClosed {
  WindowId window = 0;
  Tick tick = 0;
  Version version = 0;  // after the window
  std::uint64_t accepted = 0;
  std::uint64_t rejected = 0;
  std::uint64_t discarded = 0;
  std::uint64_t lost = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t bytes_up = 0;  // of this window's tasks
  std::uint64_t bytes_down = 0;
  double train_loss = kNoNumber;          // example-weighted mean over accepted tasks
  std::map<std::string, double> metrics;  // what the strategy reports
};

struct Evaluated {
  WindowId window = 0;
  Tick tick = 0;
  Version version = 0;
  std::string split;  // "test", "validation" or a named set
  double loss = 0.0;
  double accuracy = 0.0;  // share in [0, 1]
  std::uint64_t examples = 0;
};

/// Quality on the stages of a sequence seen so far. An Evaluated with their mean follows.
struct StagesEvaluated {
  WindowId window = 0;
  Tick tick = 0;
  Version version = 0;
  std::string split;
  std::uint64_t stage = 0;         // the latest, from 1
  bool ended = false;              // its last window is closed: `accuracies` is row `stage` of the matrix R
  std::vector<double> accuracies;  // of stages 1 .. stage
  std::vector<double> losses;
  std::vector<std::uint64_t> examples;
  double mean_accuracy = 0.0;  // ACC, where `ended`
  /// FGT, mean over earlier stages i of R[i][i] - accuracies[i]; none while there is no earlier stage.
  double forgetting = kNoNumber;
  double forgetting_from_best = kNoNumber;  // the same with the largest R[t][i] so far in place of R[i][i]
  double backward_transfer = kNoNumber;     // BWT, minus `forgetting`
};

/// Spread of the global (or personal) model over clients' own held-out data.
struct ClientsEvaluated {
  WindowId window = 0;
  Tick tick = 0;
  Version version = 0;
  std::vector<ClientId> clients;
  std::vector<double> accuracies;  // same order
  std::vector<double> losses;
  std::vector<std::uint64_t> examples;
  std::uint64_t bytes_up = 0;    // answers, of clients without held-out data too; in no window's bytes
  std::uint64_t bytes_down = 0;  // requests, and the model for those that did not have it
};

struct RunEnded {
  Tick tick = 0;
  WindowId windows = 0;
  std::string reason;                          // "rounds", "duration", "target", "privacy budget", "signal"
  std::string model_hash;                      // SHA-256 of the final float bits
  std::map<std::string, double> metrics = {};  // of the run as a whole: spent epsilon
};

using FederationEvent = std::variant<RunStarted, WindowOpened, TaskStarted, TaskEnded, WindowClosed,
                                     Evaluated, StagesEvaluated, ClientsEvaluated, RunEnded>;

// ---- the machine (run.jsonl) ----

struct PeerChanged {
  std::uint32_t peer = 0;
  std::string name;
  bool joined = false;
  std::string detail;
};

struct TaskRetried {
  TaskId task;
  std::string why;
};

struct Refused {
  std::string peer;
  Reason reason = Reason::none;
  std::string detail;
};

struct CheckpointWritten {
  WindowId window = 0;
  std::string file;
  std::uint64_t bytes = 0;
  double seconds = 0.0;
};

struct Resumed {
  WindowId window = 0;
  std::string file;
};

/// One per closed window: where the wall time went and what the sockets moved.
struct MachineState {
  WindowId window = 0;
  double wall_seconds = 0.0;  // since the start of this process
  std::uint64_t client_trainings = 0;
  std::uint64_t socket_bytes_sent = 0;
  std::uint64_t socket_bytes_received = 0;
  std::uint64_t resident_bytes = 0;      // of this process
  std::uint64_t resident_bytes_all = 0;  // of all local processes of the run
};

struct Note {
  std::string text;
};

using MachineEvent =
    std::variant<PeerChanged, TaskRetried, Refused, CheckpointWritten, Resumed, MachineState, Note>;

/// Receives both streams. Called on one thread, in order.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void on(const FederationEvent&) {}
  virtual void on(const MachineEvent&) {}
  /// The run is over (or interrupted): flush everything.
  virtual void finish() {}
};

/// One line of JSON without the newline; keys in declaration order, doubles shortest round-trip. The
/// federation form is what is hashed, so it must depend on nothing but the event.
std::string to_json(const FederationEvent& event);
std::string to_json(const MachineEvent& event);

}  // namespace fedloom
