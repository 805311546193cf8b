// Numbers as the page's data block holds them: not a number becomes null, and no number has more digits than
// a chart shows.
#pragma once

#include <cmath>
#include <cstdlib>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace fedloom {

/// `value` to `digits` significant digits; null unless finite. Six are more than a chart shows, and a third
/// of the bytes that all would take.
inline nlohmann::ordered_json rounded(double value, int digits = 6) {
  if (!std::isfinite(value)) return nullptr;
  return std::strtod(fmt::format("{:.{}g}", value, digits).c_str(), nullptr);
}

}  // namespace fedloom
