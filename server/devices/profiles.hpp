// Devices after a profile: how fast each computes and communicates, how steady it is, when it is there and
// how often it fails. What a client's device is like is drawn from the seed each time it is asked, so a
// population of a million costs nothing. Formulas: docs/devices.md.
#pragma once

#include <cstdint>
#include <memory>

#include "server/devices/availability.hpp"
#include "server/devices/devices.hpp"
#include "server/devices/distribution.hpp"

namespace fedloom {

/// A distribution that is left out takes no time (jitter: is 1).
struct DeviceProfile {
  std::shared_ptr<const Distribution> task;          // seconds of computation per task, whatever its examples
  std::shared_ptr<const Distribution> compute;       // or seconds per example and pass
  double passes = 1.0;                               // of an example through the model; FedScale counts 3
  std::shared_ptr<const Distribution> downlink;      // bytes per second; at least 1 is assumed
  std::shared_ptr<const Distribution> uplink;        // the same
  std::shared_ptr<const Distribution> latency;       // seconds each way
  std::shared_ptr<const Distribution> jitter;        // factor on a task's whole duration, drawn task by task
  std::shared_ptr<const Availability> availability;  // left out: always
  bool aborts = false;   // a client whose availability ends loses its task; else it finishes first
  double dropout = 0.0;  // probability that a device vanishes in the course of a task
  double failure = 0.0;  // probability that a task runs to its end and fails
};

class ProfiledDevices : public Devices {
 public:
  /// Tasks longer than this, as heavy tails may give, count as this long.
  static constexpr Tick kLongest = Tick{1} << 60;

  ProfiledDevices(DeviceProfile profile, std::uint64_t population, std::uint64_t seed,
                  double ticks_per_second);

  Course course(const Work& work, Tick start) const override;
  Tick typical(const Work& work) const override;
  Tick sample_duration(const Work& work, std::uint64_t draw) const override;
  bool varies() const override { return profile_.jitter != nullptr; }
  bool available(ClientId client, Tick now) const override;
  std::optional<Tick> next_available(ClientId client, Tick now) const override;

 private:
  double seconds(const Work& work) const;
  double jitter(const Work& work, Random random) const;
  Tick ticks(double seconds) const;

  DeviceProfile profile_;
  std::uint64_t population_;
  std::uint64_t seed_;
  double ticks_per_second_;
};

}  // namespace fedloom
