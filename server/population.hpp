// The registered clients. What is known of every client costs nothing to hold: example counts are asked of
// whoever knows them, and a record exists only for clients that have been given a task or evaluated.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "core/ids.hpp"
#include "server/devices/devices.hpp"

namespace fedloom {

/// How long a task took in real time, from its start until its update was here, and its local steps.
struct ObservedTask {
  Tick duration = 1;
  std::uint64_t steps = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(duration, steps);
  }
  bool operator==(const ObservedTask&) const = default;
};

/// What the server remembers of a client it has used. Part of the checkpoint.
struct ClientRecord {
  std::uint32_t tasks = 0;             // tasks ever given; the next one has number tasks + 1
  std::uint32_t kept_version = 0;      // task number whose state proposal was accepted last; 0 = none
  Version held_model = kNoModel;       // version of the model the client has, were it deployed
  bool has_initial = false;            // it was sent the initial model, where that travels
  std::int64_t private_runs = 0;       // of its privacy mechanism, in tasks given out so far …
  std::uint64_t private_examples = 0;  // … when it had so many examples
  std::vector<ObservedTask> observed;  // the latest kRemembered; of real time only

  static constexpr Version kNoModel = ~Version{0};
  static constexpr std::size_t kRemembered = 16;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(tasks, kept_version, held_model, has_initial, private_runs, private_examples, observed);
  }
};

/// The unchanging facts about the clients of a run.
struct Population {
  std::uint64_t clients = 0;
  std::function<std::uint64_t(ClientId)> examples;
  /// Whether a client could start now; empty means always.
  std::function<bool(ClientId, Tick now)> available;
  /// The first tick >= now at which it could, when that is known; empty where availability is heard of.
  std::function<std::optional<Tick>(ClientId, Tick now)> next_available;
  /// What tasks take; nothing where time is real and durations are observed.
  const Devices* devices = nullptr;
  /// Examples of one stage, from 1, where data comes in stages; a client that has none takes no part in it.
  std::function<std::uint64_t(ClientId, std::uint64_t stage)> stage_examples = {};
  /// Clients are machines of their own: one that fails is asked again later, and alone ends no run.
  bool deployed = false;
};

using ClientRecords = std::map<ClientId, ClientRecord>;

}  // namespace fedloom
