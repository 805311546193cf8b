// The cores that a process may use, and their shares for runs that go at the same time. A run that is bound
// to its share sees no other cores, so its defaults (workers, threads, evaluation) come to as many threads.
#pragma once

#include <cstddef>
#include <vector>

namespace fedloom {

/// The numbers of the cores that this process may use, ascending: fewer than the machine has when somebody
/// has bound it to some. {0} when the system does not say.
std::vector<int> usable_cores();

/// Share `slot` of `slots`: as even as possible, never empty; with more slots than cores, slots share a core.
/// cores: at least one; slot < slots.
std::vector<int> core_share(const std::vector<int>& cores, std::size_t slots, std::size_t slot);

/// Binds the calling process, and what it starts later, to these cores. Async-signal-safe. A refusal of the
/// system leaves the process as it was.
void bind_to_cores(const std::vector<int>& cores);

}  // namespace fedloom
