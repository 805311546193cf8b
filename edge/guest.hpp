// Being a guest on somebody's device: how much of it a client takes, and when. What the system says comes in
// through SystemView, so that rules can be tested without a battery.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "core/config.hpp"
#include "core/quantity.hpp"

namespace fedloom {

struct LimitsConfig {
  std::uint64_t threads = 0;
  ByteSize memory;
  std::uint64_t nice = 10;
  Quantity uplink = {};
  Quantity downlink = {};

  template <class Visitor>
  void visit(Visitor& v) {
    v("threads", threads, "cores that training may use; 0: all that the process may", between(0, 1024));
    v("memory", memory,
      "memory for data, model and training; program, libraries and their buffers take some 10 to 20 MB "
      "beside it. What takes more is refused, and the server told why; `fedloom-client` alone keeps to "
      "it. 0: no limit");
    v("nice", nice, "priority below other programs, as of nice(1); 0: like them", between(0, 19));
    v("uplink", uplink,
      "bytes per second that the client sends, on average and in bursts of a quarter megabyte: 500kB/s, "
      "4Mbit/s. At least 20kB/s; 0: no limit",
      at_least(0));
    v("downlink", downlink,
      "bytes per second that the client lets the server send, on average and in bursts of 2 MB; messages of "
      "up to 64 KiB are counted and not held back. At least 20kB/s; 0: no limit",
      at_least(0));
  }
};

struct WhenConfig {
  std::string hours;
  double load = 0.0;
  bool mains = false;

  template <class Visitor>
  void visit(Visitor& v) {
    v("hours", hours, "local time of day in which to take part, such as 22:00-06:00; left out: always");
    v.alias("ac_power", "mains");
    v("mains", mains, "only while the device is not on battery");
    v("load", load,
      "only while the system's load of one minute is below this per core (not asked in the two minutes after "
      "a task, whose load is its own); 0: "
      "whatever it is",
      between(0, 1000));
  }
};

/// What a guest may know of the machine.
struct SystemView {
  std::function<int()> minute_of_day;     // local time, [0, 1440)
  std::function<double()> load_per_core;  // of the last minute
  std::function<bool()> on_battery;
};

/// `root`: where /proc and /sys lie below, "" on a real system.
SystemView system_view(const std::string& root = "");

/// `limit` of the key `name` in whole bytes per second; 0 is none. Below 20 kB/s, at which servers take a
/// client for stalled, it throws UserError.
std::uint64_t bytes_per_second(const Quantity& limit, const std::string& name);

class GuestRules {
 public:
  /// Throws UserError when `hours` is not a span of the day.
  GuestRules(const WhenConfig& when, SystemView view);

  /// Nothing when a client may take part now; else why not: "the device is on battery". `own_load`: the last
  /// minute's load is the client's own, so that it says nothing.
  std::optional<std::string> why_not(bool own_load) const;
  bool any() const { return span_ || when_.mains || when_.load > 0.0; }

 private:
  struct Span {
    int from = 0;  // minutes; until < from goes over midnight
    int until = 0;
  };

  WhenConfig when_;
  std::optional<Span> span_;
  SystemView view_;
};

/// Binds this process, from its first threads on, to as many cores and sets its priority. A system that
/// refuses leaves them. `index` tells clients on one machine apart.
void apply_share(const LimitsConfig& limits, std::size_t index);

}  // namespace fedloom
