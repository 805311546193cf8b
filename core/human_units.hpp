// Numbers as people read them, for terminals: "12.4 MB", "1m 23s", "1,234". Decimal units (1 MB = 10^6
// bytes).
#pragma once

#include <cstdint>
#include <string>

namespace fedloom {

/// "0 B", "999 B", "1.00 kB", "12.4 MB", "318 MB", "1.20 GB": three digits.
std::string bytes_text(double bytes);
/// "0.4 s", "12.3 s", "1m 23s", "2h 05m", "3d 04h"; negative counts as zero, not finite is "?".
std::string duration_text(double seconds);
/// "1,234,567".
std::string count_text(std::uint64_t count);
/// Three digits or thousands separators: "0.55", "4.8", "84", "1,240".
std::string rate_text(double rate);
/// A share in [0, 1] as "97.31%"; "-" when it is not finite.
std::string percent_text(double share);
/// The number of terminal columns of UTF-8 text, one per code point; no control characters.
std::size_t columns_of(const std::string& text);

}  // namespace fedloom
