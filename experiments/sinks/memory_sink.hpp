// Keeps every event in memory, for tests and for programs that use the library without a run folder.
// It grows with the run; nothing long should use it.
#pragma once

#include <vector>

#include "core/events.hpp"

namespace fedloom {

struct MemorySink final : Sink {
  void on(const FederationEvent& event) override { federation.push_back(event); }
  void on(const MachineEvent& event) override { machine.push_back(event); }
  void finish() override { finished = true; }

  /// The events of one kind, in order.
  template <class Event>
  std::vector<Event> all() const {
    std::vector<Event> found;
    for (const FederationEvent& event : federation)
      if (const auto* match = std::get_if<Event>(&event)) found.push_back(*match);
    return found;
  }

  std::vector<FederationEvent> federation;
  std::vector<MachineEvent> machine;
  bool finished = false;
};

}  // namespace fedloom
