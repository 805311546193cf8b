// What a task costs its client of the privacy budget, as it is remembered beside the state: a window that
// never closes is in no checkpoint, and what it gave out nobody can take back.
#pragma once

#include <cstdint>
#include <tuple>

#include "core/ids.hpp"

namespace fedloom {

struct SpentTask {
  TaskId id;
  WindowId window = 0;         // that was open
  std::uint64_t work = 0;      // hash of the task: one that is given out again as it was costs nothing
  std::int64_t runs = 0;       // of the client's mechanism, > 0
  std::uint64_t examples = 0;  // that the client had

  bool operator==(const SpentTask&) const = default;
  /// Tells tasks apart, not what they cost.
  struct ByTask {
    bool operator()(const SpentTask& a, const SpentTask& b) const {
      return std::tie(a.id, a.window, a.work) < std::tie(b.id, b.window, b.work);
    }
  };
};

}  // namespace fedloom
