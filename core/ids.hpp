// The numbers that name things everywhere.
// Plain integers and one pair; what they mean is said here and nowhere else.
#pragma once

#include <compare>
#include <cstdint>
#include <string_view>

namespace fedloom {

using ClientId = std::uint64_t;  // 0 .. population-1
using Version = std::uint64_t;   // number of server updates so far; 0 is the initial model
using WindowId = std::uint64_t;  // 1, 2, …; in a synchronous federation a window is a round
using Tick = std::int64_t;       // virtual time, or nanoseconds of real time

/// The n-th task ever given to a client (n counts from 1). Randomness is keyed by it.
struct TaskId {
  ClientId client = 0;
  std::uint32_t number = 0;

  auto operator<=>(const TaskId&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(client, number);
  }
};

/// How a task ended. Every task ends as exactly one of these.
enum class Verdict : std::uint8_t { accepted, rejected, discarded, lost, cancelled };

std::string_view to_string(Verdict verdict);

}  // namespace fedloom
