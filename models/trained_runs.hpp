// The trained parts of a flat vector as an optimizer walks them: remembered from one reset to the next, and
// each step checked against them. What an optimizer keeps is packed: frozen weights cost it nothing.
#pragma once

#include <cstdint>
#include <span>

#include "core/error.hpp"
#include "core/layout.hpp"

namespace fedloom {

class TrainedRuns {
 public:
  /// Take this layout as the one that is stepped from now on; costs nothing when it already is.
  void fit(const Layout& layout) {
    if (layout.fingerprint() == fingerprint_) return;
    runs_ = SliceSet(layout, [](const Slice& slice) { return slice.role == Role::trained; });
    fingerprint_ = layout.fingerprint();
  }

  /// Number of trained floats: the length of a packed vector, one run after the other.
  std::size_t size() const { return runs_.size(); }

  /// The runs of a step on this layout. A step without fit(), or with vectors of another length, is a
  /// programmer error.
  const std::vector<SliceSet::Run>& of(const Layout& layout, std::span<const float> parameters,
                                       std::span<const float> gradient) const {
    FEDLOOM_CHECK(layout.fingerprint() == fingerprint_, "a step without reset() for this layout");
    FEDLOOM_CHECK(parameters.size() == layout.size() && gradient.size() == layout.size(),
                  "{} parameters and a gradient of {} for a layout of {}", parameters.size(), gradient.size(),
                  layout.size());
    return runs_.runs();
  }

 private:
  SliceSet runs_;
  std::uint64_t fingerprint_ = 0;
};

}  // namespace fedloom
