// Memory of processes as the system sees it: of one, and of all that work on a run with the peak of each.
// What a run holds of messages is counted by the channel (transport/receive_memory.hpp).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace fedloom {

/// Resident and peak resident bytes of a process; zeros when it is gone.
struct ProcessMemory {
  std::uint64_t resident = 0;
  std::uint64_t peak = 0;
};
ProcessMemory process_memory(std::int64_t process);

/// Of this process, the server, and its workers.
class RunMemory {
 public:
  /// Looks at all; returns resident bytes of the server and of all together.
  std::pair<std::uint64_t, std::uint64_t> look(const std::vector<pid_t>& workers);
  /// The largest seen so far: "server", "worker 1", …
  const std::map<std::string, std::uint64_t>& peaks() const { return peaks_; }

 private:
  std::map<std::string, std::uint64_t> peaks_;
};

}  // namespace fedloom
