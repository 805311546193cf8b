// When a window starts clients, when it closes, and how contributions weigh. Synchronous, over-selected,
// buffered, asynchronous and fixed-time federations differ only here. A pacer is immutable: it answers
// from the view of the window it is given and from what is known of the clients.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "core/ids.hpp"
#include "core/messages.hpp"
#include "core/registry.hpp"

namespace fedloom {

/// The window as a pacer sees it. Counts are of the current phase.
struct WindowView {
  WindowId window = 0;
  Tick opened = 0;
  Tick looked = 0;  // everything up to this tick is in: the opening, or the latest look that was asked for
  std::uint64_t population = 0;
  bool opening = true;         // nobody has been started in this window yet, nor could have been
  std::uint64_t started = 0;   // tasks given out in this window
  std::uint64_t live = 0;      // not ended yet, whenever they were given out
  std::uint64_t accepted = 0;  // contributions of this window
  std::uint64_t waiting = 0;   // clients that have contributed and wait for the window's end

  /// Of `wanted` clients at work, how many are missing.
  std::uint64_t missing(std::uint64_t wanted) const {
    return wanted > live + waiting ? wanted - live - waiting : 0;
  }
};

/// One candidate for the sum.
struct ContributionView {
  ClientId client = 0;
  std::uint64_t examples = 0;
  std::uint64_t staleness = 0;  // versions between its start and now
};

/// What a pacer may ask of the clients as a whole. Durations are in ticks, from the start of a task until the
/// server has its update. Planned ones follow from device profiles, observed ones from what tasks took.
class ClientFacts {
 public:
  virtual ~ClientFacts() = default;
  virtual std::uint64_t clients() const = 0;
  /// Examples of all clients together, at least 1.
  virtual std::uint64_t all_examples() const = 0;
  /// E[T_i], at least 1.
  virtual double mean_duration(ClientId client) const = 0;
  /// E[ceil(T_i / period)], at least 1.
  virtual double mean_periods(ClientId client, Tick period) const = 0;
  /// Whether durations were known before anything has run.
  virtual bool planned() const = 0;
  /// sum_j 1 / E[T_j] over all clients.
  virtual double total_rate() const = 0;
  /// Whether every task of a client takes the same time, so that the means are integers.
  virtual bool exact() const = 0;
  /// The duration of a task of this client with so many local steps, or nothing when that is not known.
  virtual std::optional<Tick> duration_of_steps(ClientId client, std::int64_t steps) const = 0;
};

class Pacer {
 public:
  virtual ~Pacer() = default;

  /// Number of clients to start now; asked when a phase opens and after each task ends.
  virtual std::uint64_t start(const WindowView& window) const = 0;
  /// Number of clients that are ever at work at a time, for bounds on sums and memory.
  virtual std::uint64_t largest_cohort(std::uint64_t population) const = 0;
  /// Whether the phase is complete; asked after each task ends and at each look.
  virtual bool close(const WindowView& window) const = 0;
  /// Whether the window has all it wants: what is cancelled then is surplus, not late.
  virtual bool full(const WindowView& window) const = 0;
  /// The next tick after window.looked at which close() may answer otherwise although nothing has ended.
  virtual std::optional<Tick> next_look(const WindowView& window) const = 0;

  /// Reason::none, or why a contribution of this staleness is not used.
  virtual Reason admit(const ContributionView& contribution) const = 0;
  /// Integer numerator of a contribution's weight, at least 1 for a client with examples; asked when its
  /// window closes or, of a pacer that does not overlap, when it arrives.
  virtual std::uint64_t weight(const ContributionView& contribution, const ClientFacts& facts) const = 0;
  /// The one denominator; nothing means the sum of the accepted numerators.
  virtual std::optional<double> normaliser(const WindowView& window, const ClientFacts& facts) const = 0;

  /// Whether tasks go on when a window closes and count in a later one. Otherwise they are given up, and
  /// within a tick clients are started at once rather than after all that ends at the tick.
  virtual bool overlaps() const = 0;
  /// Whether a client that has contributed waits for its window to close; otherwise it may start anew at
  /// once.
  virtual bool waits() const { return false; }
  /// What the model that a client returns is compared with: the one it started from, or the current one.
  enum class Base : std::uint8_t { start, current };
  virtual Base base() const { return Base::start; }
  /// Whether it has a say in the number of local steps.
  virtual bool sets_steps() const { return false; }
  /// Local steps of a client's task when the pacer has a say in it (0: the recipe's own).
  virtual std::int64_t steps(ClientId /*client*/, const Recipe& /*recipe*/,
                             const ClientFacts& /*facts*/) const {
    return 0;
  }
};

/// Real-valued weights are rounded to multiples of 2^-32.
inline constexpr double kWeightUnit = 4294967296.0;
/// round(value 2^32), at least 1 unless the value is 0. Throws UserError outside [0, 2^20), where sums would
/// be inexact.
std::uint64_t weight_numerator(double value);

/// Ticks in one second of the federation's time: pacers turn durations into ticks with it.
struct TimeScale {
  double ticks_per_second = 1.0;
  /// At least one tick.
  Tick ticks(double seconds) const;
};

using PacerRegistry = Registry<std::unique_ptr<Pacer>, const TimeScale&>;

}  // namespace fedloom
