// Text from elsewhere, made fit for terminals and logs: a peer may send escape sequences, half characters
// and any amount of it. What the text says is not judged.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace fedloom {

/// At most `characters` of the text, in valid UTF-8: a line end or tab becomes a space; other controls,
/// invisible marks that turn the direction of a line, and bytes that are no UTF-8 become '?'. A text that is
/// cut ends in "…", beyond the limit.
std::string printable(std::string_view text, std::size_t characters);

}  // namespace fedloom
