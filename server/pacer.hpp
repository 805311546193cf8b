// When a window starts clients, when it closes, and how contributions weigh. Synchronous, over-selected,
// buffered, asynchronous and fixed-time federations differ only here. A pacer is immutable: it answers
// from the view of the window it is given.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "core/ids.hpp"
#include "core/registry.hpp"

namespace fedloom {

/// The window as a pacer sees it. Counts are of the current phase.
struct WindowView {
  WindowId window = 0;
  Tick opened = 0;
  Tick now = 0;
  std::uint64_t population = 0;
  std::uint64_t started = 0;   // tasks given out
  std::uint64_t live = 0;      // of those, not ended yet
  std::uint64_t accepted = 0;  // of those, usable
  bool late = false;           // the deadline has passed, with too few in
};

/// One candidate for the sum.
struct ContributionView {
  std::uint64_t examples = 0;
  std::uint64_t staleness = 0;  // versions between its start and now
};

class Pacer {
 public:
  virtual ~Pacer() = default;
  /// Number of clients to start now; asked when a phase opens and after each task ends.
  virtual std::uint64_t start(const WindowView& window) const = 0;
  /// Number of clients that a window never exceeds, for bounds on sums and memory.
  virtual std::uint64_t largest_cohort(std::uint64_t population) const = 0;
  /// Whether the phase is complete; asked after each task ends.
  virtual bool close(const WindowView& window) const = 0;
  /// When the phase closes at the latest, if ever. At that time close_late() decides.
  virtual std::optional<Tick> deadline(const WindowView& window) const = 0;
  /// At the deadline: whether what has arrived is enough. If not, the view says `late` from then on and the
  /// phase goes on until close().
  virtual bool close_late(const WindowView& window) const = 0;
  /// Reason::none, or why a contribution of this staleness is not used.
  virtual Reason admit(const ContributionView& contribution) const = 0;
  /// Integer numerator of a contribution's weight, at least 1 for a client with examples.
  virtual std::uint64_t weight(const ContributionView& contribution) const = 0;
  /// The one denominator; nothing means the sum of the accepted numerators.
  virtual std::optional<double> normaliser(const WindowView& window) const = 0;
  /// Whether tasks still running when the window closes are given up (synchronous) or go on.
  virtual bool cancels_at_close() const = 0;
};

/// Ticks in one second of the federation's time: pacers turn durations into ticks with it.
struct TimeScale {
  double ticks_per_second = 1.0;
};

using PacerRegistry = Registry<std::unique_ptr<Pacer>, const TimeScale&>;

}  // namespace fedloom
