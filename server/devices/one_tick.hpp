// A federation without device profiles: every task lasts one tick, everybody is always there. What happens in
// one round then happens at one tick; time only counts rounds.
#pragma once

#include "server/devices/devices.hpp"

namespace fedloom {

class OneTickDevices final : public Devices {
 public:
  Course course(const Work& /*work*/, Tick /*start*/) const override { return {}; }
  Tick typical(const Work& /*work*/) const override { return 1; }
  Tick sample_duration(const Work& /*work*/, std::uint64_t /*draw*/) const override { return 1; }
  bool varies() const override { return false; }
  bool available(ClientId /*client*/, Tick /*now*/) const override { return true; }
  std::optional<Tick> next_available(ClientId /*client*/, Tick now) const override { return now; }
};

}  // namespace fedloom
