// A limit on the memory that this program asks for: its operator new keeps count and refuses. Of the program,
// not of the library: there can be one operator new in a process.
#pragma once

#include <cstdint>

namespace fedloom {

/// Blocks from this size on are refused; smaller ones are counted and always given, because libraries end the
/// process when they get none.
inline constexpr std::size_t kLimitedBlock = 64 * 1024;

/// From here on operator new throws a std::bad_alloc, which names limits.memory, instead of holding more than
/// `bytes`. 0: no limit. What libraries take by malloc or map themselves does not count. Without effect under
/// a sanitizer, which brings its own operator new.
void limit_memory(std::uint64_t bytes);

}  // namespace fedloom
