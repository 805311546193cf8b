// The program's operator new and delete: malloc with a count. Not RLIMIT_DATA, which counts what is mapped
// and never touched (hundreds of megabytes with OpenBLAS) and strikes whoever asks next, often a library that
// then aborts; nor a control group, which takes rights that a client on somebody's device does not have.
#include "edge/main/memory_limit.hpp"

#include <malloc.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <new>

namespace {

constinit std::atomic<std::uint64_t> held{0};
constinit std::atomic<std::uint64_t> most{std::numeric_limits<std::uint64_t>::max()};

// Its text is its own: where memory has run out none is asked for.
class OverLimit : public std::bad_alloc {
 public:
  OverLimit(std::size_t wanted, std::uint64_t taken, std::uint64_t limit) {
    const auto megabytes = [](auto bytes) { return static_cast<double>(bytes) / 1e6; };
    (void)std::snprintf(text_.data(), text_.size(),
                        "limits.memory allows %.1f MB, of which %.1f MB are taken, and a block of %.1f MB is "
                        "needed; raise it, or take a smaller model, batch or data set",
                        megabytes(limit), megabytes(taken), megabytes(wanted));
  }
  const char* what() const noexcept override { return text_.data(); }

 private:
  std::array<char, 256> text_{};
};

[[maybe_unused]] void* allocate(std::size_t size, std::size_t alignment) {
  size = (std::max<std::size_t>(size, 1) + alignment - 1) / alignment * alignment;
  const std::uint64_t with_it = held.fetch_add(size, std::memory_order_relaxed) + size;
  if (size >= fedloom::kLimitedBlock && with_it > most.load(std::memory_order_relaxed)) {
    held.fetch_sub(size, std::memory_order_relaxed);
    throw OverLimit(size, with_it - size, most.load(std::memory_order_relaxed));
  }
  void* memory =
      alignment <= alignof(std::max_align_t) ? std::malloc(size) : std::aligned_alloc(alignment, size);
  if (memory == nullptr) {
    held.fetch_sub(size, std::memory_order_relaxed);
    throw std::bad_alloc();
  }
  held.fetch_add(malloc_usable_size(memory) - size, std::memory_order_relaxed);
  return memory;
}

[[maybe_unused]] void release(void* memory) {
  if (memory == nullptr) return;
  held.fetch_sub(malloc_usable_size(memory), std::memory_order_relaxed);
  std::free(memory);
}

}  // namespace

// Every other form ends in these.
#ifndef FEDLOOM_SANITIZED
void* operator new(std::size_t size) { return allocate(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }
#endif

namespace fedloom {

void limit_memory(std::uint64_t bytes) {
  most.store(bytes == 0 ? std::numeric_limits<std::uint64_t>::max() : bytes);
}

}  // namespace fedloom
