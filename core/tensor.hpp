// Named float buffers: the only form in which models, updates, kept client state and server state exist.
// 64-byte alignment lets kernels use whole cache lines and vector registers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <new>
#include <string>
#include <vector>

namespace fedloom {

/// Allocates at cache-line boundaries; everything else is std::allocator.
template <class T>
struct AlignedAllocator {
  using value_type = T;
  static constexpr std::align_val_t kAlignment{64};

  AlignedAllocator() = default;
  template <class U>
  AlignedAllocator(const AlignedAllocator<U>&) {}  // NOLINT: containers rebind by implicit conversion

  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), kAlignment)); }
  void deallocate(T* p, std::size_t) { ::operator delete(p, kAlignment); }
  friend bool operator==(const AlignedAllocator&, const AlignedAllocator&) { return true; }
};

using FloatBuffer = std::vector<float, AlignedAllocator<float>>;

/// A row-major array. `shape` multiplies out to data.size(); an empty shape is a scalar (one element).
struct Tensor {
  std::vector<std::int64_t> shape;
  FloatBuffer data;

  static Tensor zeros(std::vector<std::int64_t> shape);
  static Tensor vector(FloatBuffer values);
  static Tensor scalar(float value);
  bool operator==(const Tensor&) const = default;
};

/// Number of elements of a shape; 1 for the empty shape.
std::size_t element_count(const std::vector<std::int64_t>& shape);

/// Ordered by name, so that every walk over it is the same walk everywhere.
using TensorMap = std::map<std::string, Tensor, std::less<>>;

}  // namespace fedloom
