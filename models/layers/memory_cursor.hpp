// Cuts a layer's kept memory and scratch into arrays. The same function that cuts also measures: with a
// cursor over nothing it only counts, so what a layer asks for and what it uses cannot differ.
#pragma once

#include <cstddef>
#include <cstdint>

#include "models/layers/layer.hpp"

namespace fedloom {

class MemoryCursor {
 public:
  /// Counts only; take() gives nullptr.
  MemoryCursor() = default;
  /// Cuts from `start`, 64-byte aligned.
  explicit MemoryCursor(void* start) : start_(static_cast<std::uint8_t*>(start)) {}

  template <class T>
  T* take(std::size_t count) {
    std::uint8_t* at = start_ == nullptr ? nullptr : start_ + bytes_;
    bytes_ += aligned_bytes(count * sizeof(T));
    return reinterpret_cast<T*>(at);  // NOLINT: kept memory is untyped
  }

  std::size_t bytes() const { return bytes_; }
  std::size_t floats() const { return bytes_ / sizeof(float); }

 private:
  std::uint8_t* start_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace fedloom
