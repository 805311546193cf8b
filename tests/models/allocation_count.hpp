// Counts the calls of operator new in this test program.
#pragma once

#include <cstddef>

namespace fedloom {

/// Sanitizers bring their own operator new, which cannot be replaced; there is no count then.
#ifdef FEDLOOM_SANITIZED
constexpr bool kCountsAllocations = false;
#else
constexpr bool kCountsAllocations = true;
#endif

/// Allocations since the program started, all threads.
std::size_t allocation_count();

}  // namespace fedloom
