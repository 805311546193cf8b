// A number that may carry a unit of time or of speed: 30ms, 2MB/s, 10Mbit/s, or 0.03 in whatever unit the key
// is in. Lengths of time that must be whole nanoseconds are Duration (config.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fedloom {

/// What a number counts.
enum class Measure : std::uint8_t { none, seconds, bytes_per_second };

struct Quantity {
  double value = 0.0;  // in `unit`; finite
  Measure unit = Measure::none;
  std::string where = {};  // "exp.yaml:3:11: devices.compute.scale", or "" for a default

  /// The value for a key in `wanted`. A number without a unit is taken to be in it; one with another unit is
  /// refused (UserError).
  double in(Measure wanted) const;
  /// "0.03s", "2000000B/s", "0.03"; parse_quantity() gives the same number back.
  std::string text() const;

  bool operator==(const Quantity& other) const { return value == other.value && unit == other.unit; }
};

/// "30ms" as 0.03 seconds. Nothing when it is no finite number, or has a unit that is not known.
std::optional<Quantity> parse_quantity(std::string_view text);
/// The units that parse_quantity() knows, for messages.
std::string quantity_units();

}  // namespace fedloom
