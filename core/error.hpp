// The three kinds of errors. A programmer error (FEDLOOM_CHECK) prints its values and aborts; a user
// error is an exception that says where, what was found and what would be right; an expected event
// (late, lost, malformed …) is a Reason, a plain value that is counted and never thrown.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace fedloom {

/// Something the user wrote or provided is wrong: a config key, a file, a flag. The message is shown as
/// it is, so it names the place, what was found and the fix. The program exits with code 2.
class UserError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

template <class... Args>
[[nodiscard]] UserError user_error(fmt::format_string<Args...> text, Args&&... args) {
  return UserError(fmt::format(text, std::forward<Args>(args)...));
}

/// Why something expected went wrong. Each is counted and logged; none is an exception.
enum class Reason : std::uint8_t {
  none,
  late,          // arrived after its window closed
  stale,         // older than the pacer admits
  duplicate,     // a second answer to the same task
  unknown_task,  // an answer to a task that nobody gave out
  layout,        // wrong slots or sizes for the task
  not_finite,    // NaN or infinity in an update
  range,         // outside the fixed-point range of its slot
  malformed,     // a frame or message that does not parse
  version,       // a peer that speaks another protocol version
  failed,        // the client reported an error
  disconnected,  // the peer went away
  surplus,       // over-selection: the window had enough
  limit,         // a cap on size, rate or memory
  key,           // a peer without a key that is known, or with another's
};

std::string_view to_string(Reason reason);

[[noreturn]] void check_failed(const char* file, int line, const char* condition, const std::string& detail);

/// The candidate closest to `word` by edit distance, or "" when nothing is similar enough to suggest.
template <class Range>
std::string nearest(std::string_view word, const Range& candidates);

/// Levenshtein distance; the measure behind `nearest`.
std::size_t edit_distance(std::string_view a, std::string_view b);

template <class Range>
std::string nearest(std::string_view word, const Range& candidates) {
  std::string best;
  std::size_t best_distance = word.size() / 2 + 2;
  for (const auto& candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace fedloom

/// Always on. The detail is a fmt format string with the values that broke the condition.
#define FEDLOOM_CHECK(condition, ...)                                                      \
  do {                                                                                     \
    if (!(condition)) [[unlikely]]                                                         \
      ::fedloom::check_failed(__FILE__, __LINE__, #condition, ::fmt::format(__VA_ARGS__)); \
  } while (false)
