// Durations and courses of tasks from a profile.
#include "server/devices/profiles.hpp"

#include <algorithm>
#include <cmath>

#include "server/devices/keyed.hpp"

namespace fedloom {

namespace {

// Where what a device is like comes from: (stream, number) beside the client. Tasks count from 1, so the 0 of
// Stream::duration is free, and the links have a stream of their own.
constexpr std::uint32_t kComputeKey = 0;
constexpr std::uint32_t kDownlinkKey = 0;
constexpr std::uint32_t kUplinkKey = 1;
constexpr std::uint32_t kLatencyKey = 2;

// Infinity times no bytes would be no number.
constexpr double kMost = 1e18;

double drawn(const Distribution& distribution, const DrawnFor& whose, Random random) {
  const double value = distribution.draw(whose, random);
  FEDLOOM_CHECK(value >= 0.0, "a device with a value of {}", value);
  return std::min(value, kMost);
}

}  // namespace

ProfiledDevices::ProfiledDevices(DeviceProfile profile, std::uint64_t population, std::uint64_t seed,
                                 double ticks_per_second)
    : profile_(std::move(profile)),
      population_(population),
      seed_(seed),
      ticks_per_second_(ticks_per_second) {
  FEDLOOM_CHECK(population_ > 0 && ticks_per_second_ > 0.0, "{} devices, {} ticks per second", population_,
                ticks_per_second_);
}

Course ProfiledDevices::course(const Work& work, Tick start) const {
  const auto [client, number] = work.task;
  Course course;
  course.duration = ticks(seconds(work) * jitter(work, Random(seed_, Stream::duration, client, number)));
  // All three are drawn, whatever is asked for: switching one on changes nothing about the others.
  Random random(seed_, Stream::loss, client, number);
  const bool vanishes = random.bernoulli(profile_.dropout);
  const double share = random.uniform();
  if (random.bernoulli(profile_.failure)) course.lost = Reason::failed;
  if (vanishes) {
    const double moment = share * static_cast<double>(course.duration);
    course = {std::max<Tick>(1, std::llround(moment)), Reason::disconnected};
  }
  if (!profile_.aborts || !profile_.availability) return course;
  if (const auto left = profile_.availability->leaves(client, start, start + course.duration))
    course = {std::max<Tick>(1, *left - start), Reason::disconnected};
  return course;
}

Tick ProfiledDevices::typical(const Work& work) const { return ticks(seconds(work)); }

Tick ProfiledDevices::sample_duration(const Work& work, std::uint64_t draw) const {
  return ticks(seconds(work) * jitter(work, keyed(seed_, Stream::estimate, work.task.client, draw)));
}

bool ProfiledDevices::available(ClientId client, Tick now) const {
  return !profile_.availability || profile_.availability->available(client, now);
}

std::optional<Tick> ProfiledDevices::next_available(ClientId client, Tick now) const {
  return profile_.availability ? profile_.availability->next_available(client, now) : now;
}

// Down, compute, up: latency + bytes / rate, passes * examples * time per example, latency + bytes / rate.
double ProfiledDevices::seconds(const Work& work) const {
  const ClientId client = work.task.client;
  const DrawnFor whose{client, population_};
  const auto transfer = [&](const auto& rate, std::uint32_t key, std::uint64_t bytes) {
    if (!rate) return 0.0;
    const double speed = std::max(1.0, drawn(*rate, whose, Random(seed_, Stream::network, client, key)));
    return static_cast<double>(bytes) / speed;
  };
  const Random own(seed_, Stream::duration, client, kComputeKey);
  double total = 0.0;
  if (profile_.task)
    total = drawn(*profile_.task, whose, own);
  else if (profile_.compute)
    total = profile_.passes * static_cast<double>(work.examples) * drawn(*profile_.compute, whose, own);
  total += transfer(profile_.downlink, kDownlinkKey, work.bytes_down);
  total += transfer(profile_.uplink, kUplinkKey, work.bytes_up);
  if (profile_.latency)
    total += 2.0 * drawn(*profile_.latency, whose, Random(seed_, Stream::network, client, kLatencyKey));
  return total;
}

double ProfiledDevices::jitter(const Work& work, Random random) const {
  return profile_.jitter ? drawn(*profile_.jitter, {work.task.client, population_}, random) : 1.0;
}

Tick ProfiledDevices::ticks(double seconds) const {
  const double count = seconds * ticks_per_second_;
  if (!(count < static_cast<double>(kLongest))) return kLongest;
  return std::max<Tick>(1, std::llround(count));
}

}  // namespace fedloom
