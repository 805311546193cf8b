// Numbers with units.
#include "core/quantity.hpp"

#include <charconv>
#include <cmath>

#include "core/error.hpp"

namespace fedloom {

namespace {

// Value times factor, over divisor: 30ms is 30 / 1000, the double nearest to 0.03, which 30 * 0.001 need not
// be.
struct KnownUnit {
  const char* name;
  Measure unit;
  double factor;
  double divisor;
};

constexpr KnownUnit kUnits[] = {
    {"s", Measure::seconds, 1.0, 1.0},
    {"ms", Measure::seconds, 1.0, 1e3},
    {"us", Measure::seconds, 1.0, 1e6},
    {"ns", Measure::seconds, 1.0, 1e9},
    {"min", Measure::seconds, 60.0, 1.0},
    {"h", Measure::seconds, 3600.0, 1.0},
    {"d", Measure::seconds, 86400.0, 1.0},
    {"B/s", Measure::bytes_per_second, 1.0, 1.0},
    {"kB/s", Measure::bytes_per_second, 1e3, 1.0},
    {"MB/s", Measure::bytes_per_second, 1e6, 1.0},
    {"GB/s", Measure::bytes_per_second, 1e9, 1.0},
    {"bit/s", Measure::bytes_per_second, 1.0, 8.0},
    {"kbit/s", Measure::bytes_per_second, 1e3, 8.0},
    {"Mbit/s", Measure::bytes_per_second, 1e6, 8.0},
    {"Gbit/s", Measure::bytes_per_second, 1e9, 8.0},
};

const char* expected(Measure unit) {
  switch (unit) {
    case Measure::seconds: return "a time such as 30ms, or a number of seconds";
    case Measure::bytes_per_second:
      return "a speed such as 2MB/s or 10Mbit/s, or a number of bytes per second";
    case Measure::none: break;
  }
  return "a number without a unit";
}

}  // namespace

double Quantity::in(Measure wanted) const {
  if (unit == wanted || unit == Measure::none) return value;
  throw user_error("{}{}expected {}, found '{}'", where, where.empty() ? "" : ": ", expected(wanted), text());
}

std::string Quantity::text() const {
  const char* name = unit == Measure::seconds ? "s" : unit == Measure::bytes_per_second ? "B/s" : "";
  return fmt::format("{}{}", value, name);
}

std::optional<Quantity> parse_quantity(std::string_view text) {
  double number = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || !std::isfinite(number)) return std::nullopt;
  std::string_view name = text.substr(static_cast<std::size_t>(end - text.data()));
  while (!name.empty() && name.front() == ' ') name.remove_prefix(1);
  if (name.empty()) return Quantity{.value = number};
  for (const KnownUnit& known : kUnits)
    if (name == known.name)
      return Quantity{.value = number * known.factor / known.divisor, .unit = known.unit};
  return std::nullopt;
}

std::string quantity_units() {
  std::string names;
  for (const KnownUnit& known : kUnits) names += fmt::format("{}{}", names.empty() ? "" : ", ", known.name);
  return names;
}

}  // namespace fedloom
