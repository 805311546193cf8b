// A reference-counted run of bytes that no longer changes once it is shared. Models and updates travel as
// blobs, so that sending one to fifty peers copies nothing. Not a container: it neither grows nor owns types.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "core/error.hpp"
#include "core/tensor.hpp"

namespace fedloom {

/// Copies share the same bytes. Readable from any thread; the last copy to go frees the memory.
class Blob {
 public:
  /// Blobs of our own making start at a multiple of this (a cache line, an AVX-512 register).
  static constexpr std::size_t kAlignment = 64;

  Blob() = default;
  /// Views `bytes`, which `owner` keeps alive and nobody changes any more.
  Blob(std::shared_ptr<const void> owner, std::span<const std::byte> bytes)
      : owner_(std::move(owner)), data_(bytes.data()), size_(bytes.size()) {}

  /// Fresh, uninitialised, aligned memory that its maker fills through writable() before sharing it.
  /// Throws std::bad_alloc. Runs of 2 MiB and more ask for huge pages: their page faults cost most.
  static Blob allocate(std::size_t size);
  static Blob copy_of(std::span<const std::byte> bytes);
  /// Takes a buffer over without copying.
  static Blob from(FloatBuffer values);
  /// Views values that live inside `owner`, e.g. the parameters of a shared model version.
  template <class Owner, class T>
  static Blob view(std::shared_ptr<Owner> owner, std::span<const T> values) {
    static_assert(std::is_trivially_copyable_v<T>);
    return Blob(std::shared_ptr<const void>(std::move(owner)), std::as_bytes(values));
  }
  template <class Owner>
  static Blob view(std::shared_ptr<Owner> owner, const FloatBuffer& values) {
    return view(std::move(owner), std::span<const float>(values));
  }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const std::byte* data() const { return data_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }

  /// Whether the bytes are a whole number of T at an address where T may live. Ask before as() when the
  /// blob came from elsewhere.
  template <class T>
  bool holds() const {
    return size_ % sizeof(T) == 0 && reinterpret_cast<std::uintptr_t>(data_) % alignof(T) == 0;
  }
  /// The bytes as numbers in this machine's (little-endian) form; holds<T>() is checked.
  template <class T>
  std::span<const T> as() const {
    static_assert(std::is_trivially_copyable_v<T>);
    FEDLOOM_CHECK(holds<T>(), "a blob of {} bytes is no array of {}-byte values", size_, sizeof(T));
    return {reinterpret_cast<const T*>(data_), size_ / sizeof(T)};
  }

  /// The bytes for filling. Only the one holder of an allocated blob may write (checked).
  std::span<std::byte> writable();
  /// The same for numbers.
  template <class T>
  std::span<T> writable_as() {
    FEDLOOM_CHECK(holds<T>(), "a blob of {} bytes is no array of {}-byte values", size_, sizeof(T));
    const std::span<std::byte> bytes = writable();
    return {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)};
  }

  /// Part of the bytes, sharing the owner. offset + size <= size() (checked).
  Blob slice(std::size_t offset, std::size_t size) const;

 private:
  friend class ReceiveMemory;  // lends writable memory that returns to its pool

  std::shared_ptr<const void> owner_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  bool writable_ = false;
};

/// Uninitialised memory at a multiple of `Blob::kAlignment`; 2 MiB and more on huge-page boundaries.
std::byte* allocate_bytes(std::size_t size);
/// Frees what allocate_bytes(size) gave; `size` must be the same.
void free_bytes(std::byte* data, std::size_t size) noexcept;

}  // namespace fedloom
