// Counts the calls of operator new in this test program.
#pragma once

#include <cstddef>

namespace fedloom {

/// Allocations since the program started, all threads.
std::size_t allocation_count();

}  // namespace fedloom
