// Windows that close at fixed times with whoever is in: what FedFix and semi-synchronous training share. All
// clients are at work; one that has finished waits for the end of the window, the others go on. How
// contributions weigh is each pacer's own.
#pragma once

#include "server/pacer.hpp"

namespace fedloom {

class FixedWindowPacer : public Pacer {
 public:
  /// `period` >= 1: ticks from one update of the server to the next.
  explicit FixedWindowPacer(Tick period) : period_(period) {}

  std::uint64_t start(const WindowView& window) const override {
    return window.opening ? window.missing(window.population) : 0;
  }
  std::uint64_t largest_cohort(std::uint64_t population) const override { return population; }
  bool close(const WindowView& window) const override { return window.looked >= window.opened + period_; }
  bool full(const WindowView& /*window*/) const override { return false; }
  std::optional<Tick> next_look(const WindowView& window) const override {
    return close(window) ? std::nullopt : std::optional<Tick>(window.opened + period_);
  }
  Reason admit(const ContributionView& /*contribution*/) const override { return Reason::none; }
  bool overlaps() const override { return true; }
  bool waits() const override { return true; }

 protected:
  Tick period() const { return period_; }

 private:
  Tick period_;
};

}  // namespace fedloom
