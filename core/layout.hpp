// What a flat parameter vector means: an ordered list of named slices with shapes and roles.
// A layout is a value that never changes after it is built; two parties compare fingerprints.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor.hpp"

namespace fedloom {

/// How a slice is treated by optimizers, aggregation and the wire.
enum class Role : std::uint8_t {
  trained,    // stepped by the optimizer, averaged by the server
  frozen,     // never changes during the run; travels once
  local,      // never leaves the client
  statistic,  // running values of normalisation: averaged plainly, never decayed, clipped or corrected
};

std::string_view to_string(Role role);

struct Slice {
  std::string name;
  std::vector<std::int64_t> shape;
  Role role = Role::trained;
  std::size_t offset = 0;  // first element within the flat vector
  std::size_t size = 0;    // number of elements

  bool operator==(const Slice&) const = default;
};

/// Ordered named slices over one flat vector. Immutable; share it as std::shared_ptr<const Layout>.
class Layout {
 public:
  class Builder;

  const std::vector<Slice>& slices() const { return slices_; }
  /// Number of floats in a vector of this layout.
  std::size_t size() const { return size_; }
  /// 64-bit hash over names, shapes and roles; equal exactly when two parties mean the same vector.
  std::uint64_t fingerprint() const { return fingerprint_; }
  /// The slice called `name`, or nullptr.
  const Slice* find(std::string_view name) const;
  /// The slice called `name`; its absence is a programmer error.
  const Slice& at(std::string_view name) const;
  /// Number of floats whose slice has this role.
  std::size_t count(Role role) const;

 private:
  std::vector<Slice> slices_;
  std::size_t size_ = 0;
  std::uint64_t fingerprint_ = 0;
};

class Layout::Builder {
 public:
  /// Appends a slice and returns its offset. Names must be unique and extents positive (checked).
  std::size_t add(std::string name, std::vector<std::int64_t> shape, Role role = Role::trained);
  std::shared_ptr<const Layout> build() const;

 private:
  Layout layout_;
};

/// A choice of slices that travels: contiguous runs of the flat vector, gathered in layout order.
class SliceSet {
 public:
  struct Run {
    std::size_t offset;
    std::size_t size;
    Role role;
  };

  SliceSet() = default;
  /// All slices for which `keep` holds; neighbouring slices of one role are merged.
  template <class Predicate>
  SliceSet(const Layout& layout, Predicate keep) {
    for (const Slice& slice : layout.slices())
      if (keep(slice)) append(slice);
  }
  /// Everything except what is frozen or local.
  static SliceSet exchanged(const Layout& layout);

  /// Number of floats gathered.
  std::size_t size() const { return size_; }
  const std::vector<Run>& runs() const& { return runs_; }
  void runs() && = delete;  // a loop over a temporary would dangle
  bool contains(const Slice& slice) const;
  void gather(std::span<const float> full, std::span<float> packed) const;
  void scatter(std::span<const float> packed, std::span<float> full) const;

 private:
  void append(const Slice& slice);

  std::vector<Run> runs_;
  std::size_t size_ = 0;
};

/// A flat vector with its meaning. Copying copies the floats.
class ParameterVector {
 public:
  ParameterVector() = default;
  explicit ParameterVector(std::shared_ptr<const Layout> layout)
      : layout_(std::move(layout)), values_(layout_->size(), 0.0F) {}

  const Layout& layout() const { return *layout_; }
  const std::shared_ptr<const Layout>& layout_ptr() const { return layout_; }
  std::span<float> values() { return values_; }
  std::span<const float> values() const { return values_; }
  std::span<float> view(const Slice& slice) { return values().subspan(slice.offset, slice.size); }
  std::span<const float> view(const Slice& slice) const { return values().subspan(slice.offset, slice.size); }
  std::span<float> view(std::string_view name) { return view(layout_->at(name)); }
  std::span<const float> view(std::string_view name) const { return view(layout_->at(name)); }

 private:
  std::shared_ptr<const Layout> layout_;
  FloatBuffer values_;
};

}  // namespace fedloom
