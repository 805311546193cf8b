// When a client is there to work. A function of client and tick, never a queue of events: a million clients
// that nobody asks about cost nothing. The named models are availability.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/ids.hpp"
#include "core/registry.hpp"

namespace fedloom {

/// Immutable; every answer is a pure function of its arguments. Ticks are >= 0.
class Availability {
 public:
  virtual ~Availability() = default;
  virtual bool available(ClientId client, Tick now) const = 0;
  /// The first tick >= now at which the client is available; nothing when there is none.
  virtual std::optional<Tick> next_available(ClientId client, Tick now) const = 0;
  /// The first tick of [from, until) at which it is not; nothing when it stays.
  virtual std::optional<Tick> leaves(ClientId client, Tick from, Tick until) const = 0;
};

/// [from, until) in ticks.
struct Presence {
  Tick from = 0;
  Tick until = 0;
};

/// Measured availability that repeats: client i behaves as device i mod devices.size(), and is there at t
/// when t mod period lies in one of the device's intervals. Intervals lie in [0, period]; a device without
/// any is never there.
struct AvailabilityTrace {
  std::vector<std::vector<Presence>> devices;
  Tick period = 1;
};

/// What a model may need beside its settings.
struct AvailabilityContext {
  std::uint64_t seed = 0;
  double ticks_per_second = 1.0;
  std::shared_ptr<const AvailabilityTrace> trace = nullptr;
};

using AvailabilityRegistry = Registry<std::unique_ptr<Availability>, const AvailabilityContext&>;

}  // namespace fedloom
