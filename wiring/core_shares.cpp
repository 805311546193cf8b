// sched_setaffinity and its like. std::thread::hardware_concurrency() counts the machine's cores with some C
// libraries, the process's own with others.
#include "wiring/core_shares.hpp"

#include <sched.h>

namespace fedloom {

std::vector<int> usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cores;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    for (int core = 0; core < CPU_SETSIZE; ++core)
      if (CPU_ISSET(core, &set)) cores.push_back(core);
  if (cores.empty()) cores.push_back(0);
  return cores;
}

std::vector<int> core_share(const std::vector<int>& cores, std::size_t slots, std::size_t slot) {
  if (slots >= cores.size()) return {cores[slot % cores.size()]};
  const auto at = [&](std::size_t i) {
    return cores.begin() + static_cast<std::ptrdiff_t>(i * cores.size() / slots);
  };
  return {at(slot), at(slot + 1)};
}

void bind_to_cores(const std::vector<int>& cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores)
    if (core >= 0 && core < CPU_SETSIZE) CPU_SET(core, &set);
  (void)sched_setaffinity(0, sizeof set, &set);
}

}  // namespace fedloom
