// What server, workers and clients say to each other, as plain values. How they become bytes is
// transport/codec.hpp; who says what when is told in ARCHITECTURE.md ("One round").
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/blob.hpp"
#include "core/error.hpp"
#include "core/fixed_point.hpp"
#include "core/ids.hpp"
#include "core/schedule.hpp"
#include "core/tensor.hpp"

namespace fedloom {

/// A named tensor on the wire; its floats are shared, never copied on the way.
struct Payload {
  std::string name;
  std::vector<std::int64_t> shape;
  Blob data;

  std::span<const float> values() const { return data.as<float>(); }
  static Payload from(std::string name, Tensor tensor);
  Tensor to_tensor() const;
};

/// How the terms of a summed slot are weighted.
enum class Weighting : std::uint8_t {
  contribution,  // the pacer's integer numerator: examples, possibly scaled by staleness
  uniform,       // one for every accepted client
};

/// Differential privacy of a task, all zeros for none. Norms are L2; a noise is the standard deviation of
/// every coordinate in multiples of the norm beside it.
struct TaskPrivacy {
  double example_clip = 0.0;    // of one example's gradient in every step
  double example_noise = 0.0;   // in the sum over a step's batch
  double update_clip = 0.0;     // of the whole update
  double update_noise = 0.0;    // that the client adds to it
  bool counts_clipped = false;  // and says whether the update was within update_clip

  bool any() const { return example_clip > 0.0 || update_clip > 0.0; }
  bool operator==(const TaskPrivacy&) const = default;
};

/// The local work of a task. A strategy may change it per task.
struct Recipe {
  std::int64_t epochs = 1;
  std::int64_t steps = 0;  // > 0: this many steps instead of whole epochs
  std::int64_t batch_size = 32;
  double learning_rate = 0.01;   // of this task; whatever goes by rounds is in it already
  Schedule schedule = {};        // of the rate over the steps of this task
  double clip_norm = 0.0;        // L2 norm that a step's gradient is clipped to; 0 = not clipped
  std::int64_t micro_batch = 0;  // > 0: at most so many examples of a batch are worked on at a time
  std::int64_t rank = 0;         // > 0: of the LoRA factors of this task's model, instead of adapter.rank
  double alpha = 0.0;            // with rank: their product is scaled by alpha / rank
  /// Slices (names or patterns) that this task leaves as they are although the model trains them.
  std::vector<std::string> frozen = {};
  TaskPrivacy privacy = {};
  /// Where data comes in stages: the one whose examples this task works on, from 1; 0: all a client has.
  std::uint64_t stage = 0;

  /// Examples that must fit the workspace.
  std::int64_t examples_at_once() const {
    return micro_batch > 0 && micro_batch < batch_size ? micro_batch : batch_size;
  }
  /// Examples that pass forward and backward in a task of a client with so many.
  std::uint64_t examples_seen(std::uint64_t examples) const {
    return steps > 0 ? static_cast<std::uint64_t>(steps * batch_size)
                     : static_cast<std::uint64_t>(epochs) * examples;
  }
  /// Local steps of a client with so many examples.
  std::int64_t steps_for(std::uint64_t examples) const {
    const auto batches = (static_cast<std::int64_t>(examples) + batch_size - 1) / batch_size;
    return steps > 0 ? steps : epochs * batches;
  }
  bool operator==(const Recipe&) const = default;
};

/// A client that says it has more examples is refused: sums over weights stay far inside their integers.
inline constexpr std::uint64_t kMostExamples = std::uint64_t{1} << 40U;

/// Peer to server, first. A worker hosts any client; a deployed client is one client with its own data.
struct Hello {
  std::string name;
  std::string build;  // kVersion of the peer
  std::string cpu;
  std::uint32_t capacity = 1;      // tasks it can run at a time
  std::optional<ClientId> client;  // set by a deployed client
  std::uint64_t examples = 0;      // of a deployed client; [0, kMostExamples]
  std::int64_t process = 0;
  std::uint64_t initial = 0;  // hash of the initial model that it was sent before; 0: none
};

/// Server to peer, in answer.
struct Welcome {
  std::string run;         // identity of this run
  std::string experiment;  // the resolved configuration, YAML
  std::uint64_t layout = 0;
  /// Hash of the initial model, where it comes from weights that only the server has: it follows as Shared
  /// "initial", all of it, once. 0: everybody draws it from the seed.
  std::uint64_t initial = 0;
};

/// A vector that many tasks refer to, sent once per peer and version: "model" or a slot of the strategy.
struct Shared {
  Version version = 0;
  Version oldest_live = 0;  // earlier versions may be forgotten (the rest comes with Verdicts)
  Payload payload;
};

/// What turns the shared model of one version into the next, where that is smaller than the model itself.
/// Only the strategy knows what the parts mean (Strategy::apply).
struct Patch {
  Version from = 0;
  std::vector<Payload> parts;
};

struct Task {
  TaskId id;
  WindowId window = 0;
  std::string kind = "train";
  Version version = 0;              // of the shared vectors it starts from
  std::vector<std::string> shared;  // their names; "model" first
  Recipe recipe;
  std::uint32_t kept_version = 0;  // task number that last committed this client's state; 0 = none
  bool hold = false;               // keep the update and wait for Fold
  std::vector<Payload> extras;     // for this task alone

  const Payload* extra(std::string_view name) const;
};

/// What a slot of an update holds, known to the server even while the floats stay at the worker.
struct SlotReport {
  std::string name;
  std::uint64_t size = 0;
  bool finite = true;
  float largest = 0.0F;
};

struct Update {
  TaskId id;
  Reason reason = Reason::none;  // failed when the client could not do the task
  std::string error;             // for people, when it failed
  std::uint64_t examples = 0;
  std::uint64_t steps = 0;
  double loss_sum = 0.0;  // over all examples seen in training
  std::uint64_t loss_count = 0;
  std::map<std::string, double> scalars;
  std::vector<SlotReport> reports;
  std::vector<Payload> slots;  // empty when held

  const Payload* slot(std::string_view name) const;
};

/// Server to worker: add the updates of these tasks, which you hold, to the sum of this number, and forget
/// them.
struct Fold {
  struct Term {
    TaskId id;
    std::uint64_t weight = 0;
  };
  struct Slot {
    std::string name;
    std::uint64_t size = 0;
    Weighting weighting = Weighting::contribution;
    FixedPointScale scale;
  };
  std::uint64_t number = 0;
  std::vector<Term> terms;
  std::vector<Slot> slots;
  bool answer = true;  // and send the sum: nothing will be added any more
};

/// Worker to server, in answer: integer units of each slot, in the order of the request, and how many terms
/// are in it.
struct PartialSum {
  std::uint64_t number = 0;
  std::uint64_t terms = 0;
  std::vector<Blob> units;
};

/// Server to peer: what became of tasks. Held updates may be forgotten, proposed state is kept or dropped.
struct Verdicts {
  struct Entry {
    TaskId id;
    Verdict verdict = Verdict::accepted;
    Reason reason = Reason::none;
  };
  std::vector<Entry> entries;
  std::vector<TaskId> forget;    // accepted states that newer ones have replaced for good
  std::vector<Version> retired;  // of shared vectors that no task needs any more
};

/// Server to peer: send the held updates of these tasks whole (strategies that keep updates).
struct Collect {
  std::vector<TaskId> tasks;
};

/// Server to peer: evaluate shared "model" of this version on these clients' own held-out data.
struct EvaluateClients {
  Version version = 0;
  std::vector<TaskId> clients;  // with the task number of the state each of them keeps; 0 = none
};

struct ClientEvaluation {
  ClientId client = 0;
  std::uint64_t examples = 0;  // that were judged; hidden tokens, where those are predicted
  std::uint64_t correct = 0;
  double loss_sum = 0.0;
};

struct ClientEvaluations {
  Version version = 0;
  std::vector<ClientEvaluation> results;
};

/// Server to peer: the run is over.
struct Goodbye {
  std::string reason;
  bool failed = false;
};

}  // namespace fedloom
