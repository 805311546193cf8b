// The named models of availability: always, bernoulli, diurnal, intervals.
#include "server/devices/availability.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "server/devices/keyed.hpp"

namespace fedloom {
namespace {

constexpr Tick kNever = std::numeric_limits<Tick>::max();

std::optional<Tick> sum_within(Tick a, Tick b) {
  return a > kNever - b ? std::nullopt : std::optional<Tick>(a + b);
}

std::optional<Tick> before(std::optional<Tick> tick, Tick until) {
  return tick && *tick < until ? tick : std::nullopt;
}

// At least one tick: a period of none would be no time at all.
Tick to_ticks(const Duration& duration, double ticks_per_second) {
  return std::max<Tick>(1, std::llround(duration.seconds() * ticks_per_second));
}

class Always : public Availability {
 public:
  bool available(ClientId, Tick) const override { return true; }
  std::optional<Tick> next_available(ClientId, Tick now) const override { return now; }
  std::optional<Tick> leaves(ClientId, Tick, Tick) const override { return std::nullopt; }
};

const Registration<AvailabilityRegistry, NoSettings> kAlways{
    {"always", "every client at any time", ""},
    [](const NoSettings&, const AvailabilityContext&) { return std::make_unique<Always>(); }};

struct BernoulliSettings {
  double probability = 0.5;
  Duration period{60'000'000'000};
  template <class Visitor>
  void visit(Visitor& v) {
    v("probability", probability, "that a client is there in a period; 1 is always", between(1e-4, 1));
    v("period", period, "how long a client stays or stays away before the coin is tossed again", above(0));
  }
};

/// Time is cut into slots; a coin per client and slot.
class Bernoulli : public Availability {
 public:
  Bernoulli(const BernoulliSettings& settings, const AvailabilityContext& context)
      : probability_(settings.probability),
        slot_(to_ticks(settings.period, context.ticks_per_second)),
        seed_(context.seed) {}

  bool available(ClientId client, Tick now) const override { return heads(client, now / slot_); }

  std::optional<Tick> next_available(ClientId client, Tick now) const override {
    if (available(client, now)) return now;
    // The coin falls right in the end: probability is at least 1e-4.
    for (Tick slot = now / slot_ + 1; slot <= kNever / slot_; ++slot)
      if (heads(client, slot)) return slot * slot_;
    return std::nullopt;
  }

  std::optional<Tick> leaves(ClientId client, Tick from, Tick until) const override {
    if (from >= until) return std::nullopt;
    if (!available(client, from)) return from;
    if (probability_ >= 1.0) return std::nullopt;
    for (Tick slot = from / slot_ + 1; slot <= (until - 1) / slot_; ++slot)
      if (!heads(client, slot)) return slot * slot_;
    return std::nullopt;
  }

 private:
  bool heads(ClientId client, Tick slot) const {
    return keyed(seed_, Stream::availability, client, static_cast<std::uint64_t>(slot))
        .bernoulli(probability_);
  }

  double probability_;
  Tick slot_;
  std::uint64_t seed_;
};

const Registration<AvailabilityRegistry, BernoulliSettings> kBernoulli{
    {"bernoulli", "a coin per client and period of time", ""},
    [](const BernoulliSettings& settings, const AvailabilityContext& context) {
      return std::make_unique<Bernoulli>(settings, context);
    }};

struct DiurnalSettings {
  double share = 0.5;
  Duration day{86'400'000'000'000};
  template <class Visitor>
  void visit(Visitor& v) {
    v("share", share, "part of each day, in one piece, that a client is there; 1 is always",
      Bounds{0, 1, true});
    v("day", day, "after which everything repeats", above(0));
  }
};

/// There in one piece of each day, which begins at an hour of the client's own.
class Diurnal : public Availability {
 public:
  Diurnal(const DiurnalSettings& settings, const AvailabilityContext& context)
      : day_(to_ticks(settings.day, context.ticks_per_second)),
        open_(std::clamp<Tick>(std::llround(settings.share * static_cast<double>(day_)), 1, day_)),
        seed_(context.seed) {}

  bool available(ClientId client, Tick now) const override { return hour(client, now) < open_; }

  std::optional<Tick> next_available(ClientId client, Tick now) const override {
    const Tick at = hour(client, now);
    return at < open_ ? now : sum_within(now, day_ - at);
  }

  std::optional<Tick> leaves(ClientId client, Tick from, Tick until) const override {
    if (open_ == day_) return std::nullopt;
    const Tick at = hour(client, from);
    return before(at < open_ ? sum_within(from, open_ - at) : from, until);
  }

 private:
  // Ticks since the client's day began; it does so at a time drawn once.
  Tick hour(ClientId client, Tick now) const {
    const auto day = static_cast<std::uint64_t>(day_);
    const std::uint64_t phase = keyed(seed_, Stream::availability, client, 0).below(day);
    return static_cast<Tick>((static_cast<std::uint64_t>(now) % day + phase) % day);
  }

  Tick day_;
  Tick open_;
  std::uint64_t seed_;
};

const Registration<AvailabilityRegistry, DiurnalSettings> kDiurnal{
    {"diurnal", "a share of each day in one piece, at hours of the client's own", ""},
    [](const DiurnalSettings& settings, const AvailabilityContext& context) {
      return std::make_unique<Diurnal>(settings, context);
    }};

/// What was measured, over and over. Intervals are kept sorted, apart and not empty.
class Intervals : public Availability {
 public:
  explicit Intervals(const AvailabilityTrace& trace) : trace_(trace) {
    for (std::vector<Presence>& device : trace_.devices) device = joined(std::move(device), trace_.period);
  }

  bool available(ClientId client, Tick now) const override { return next_available(client, now) == now; }

  std::optional<Tick> next_available(ClientId client, Tick now) const override {
    const std::vector<Presence>& device = of(client);
    if (device.empty()) return std::nullopt;
    const Tick at = now % trace_.period;
    const auto next = not_over(device, at);
    if (next == device.end()) return sum_within(now, trace_.period - at + device.front().from);
    return sum_within(now, std::max<Tick>(0, next->from - at));
  }

  std::optional<Tick> leaves(ClientId client, Tick from, Tick until) const override {
    const std::vector<Presence>& device = of(client);
    const Tick at = from % trace_.period;
    const auto now = not_over(device, at);
    if (now == device.end() || now->from > at) return before(from, until);
    if (now->until < trace_.period) return before(sum_within(from, now->until - at), until);
    // It stays over the end of the period as far as the first interval goes from its beginning.
    const Presence& first = device.front();
    if (first.from == 0 && first.until == trace_.period) return std::nullopt;
    return before(sum_within(from, trace_.period - at + (first.from == 0 ? first.until : 0)), until);
  }

 private:
  static std::vector<Presence> joined(std::vector<Presence> device, Tick period) {
    std::sort(device.begin(), device.end(),
              [](const Presence& a, const Presence& b) { return a.from < b.from; });
    std::vector<Presence> apart;
    for (const Presence& next : device) {
      FEDLOOM_CHECK(0 <= next.from && next.from <= next.until && next.until <= period, "[{}, {}) of {}",
                    next.from, next.until, period);
      if (next.from == next.until) continue;
      if (!apart.empty() && next.from <= apart.back().until)
        apart.back().until = std::max(apart.back().until, next.until);
      else
        apart.push_back(next);
    }
    return apart;
  }

  const std::vector<Presence>& of(ClientId client) const {
    return trace_.devices[client % trace_.devices.size()];
  }

  // The interval around `at`, or else the next one.
  static std::vector<Presence>::const_iterator not_over(const std::vector<Presence>& device, Tick at) {
    return std::upper_bound(device.begin(), device.end(), at,
                            [](Tick tick, const Presence& presence) { return tick < presence.until; });
  }

  AvailabilityTrace trace_;
};

const Registration<AvailabilityRegistry, NoSettings> kIntervals{
    {"intervals", "as measured: the intervals of devices.availability_trace, over and over",
     "Lai et al., FedScale, ICML 2022"},
    [](const NoSettings&, const AvailabilityContext& context) {
      if (!context.trace || context.trace->devices.empty())
        throw user_error(
            "availability: intervals reads them from a file; name it with devices.availability_trace");
      return std::make_unique<Intervals>(*context.trace);
    }};

}  // namespace
}  // namespace fedloom
