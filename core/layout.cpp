// Building layouts, their fingerprint, and gathering the slices that travel.
#include "core/layout.hpp"

#include <algorithm>
#include <utility>

#include "core/error.hpp"
#include "core/hash.hpp"

namespace fedloom {

std::string_view to_string(Role role) {
  switch (role) {
    case Role::trained: return "trained";
    case Role::frozen: return "frozen";
    case Role::local: return "local";
    case Role::statistic: return "statistic";
  }
  return "invalid";
}

const Slice* Layout::find(std::string_view name) const {
  const auto it =
      std::find_if(slices_.begin(), slices_.end(), [&](const Slice& slice) { return slice.name == name; });
  return it == slices_.end() ? nullptr : &*it;
}

const Slice& Layout::at(std::string_view name) const {
  const Slice* slice = find(name);
  FEDLOOM_CHECK(slice != nullptr, "no slice is called '{}'", name);
  return *slice;
}

std::size_t Layout::count(Role role) const {
  std::size_t total = 0;
  for (const Slice& slice : slices_)
    if (slice.role == role) total += slice.size;
  return total;
}

std::size_t Layout::Builder::add(std::string name, std::vector<std::int64_t> shape, Role role) {
  FEDLOOM_CHECK(layout_.find(name) == nullptr, "slice '{}' was added twice", name);
  for (const std::int64_t extent : shape)
    FEDLOOM_CHECK(extent > 0, "slice '{}' has an extent of {}", name, extent);
  const std::size_t offset = layout_.size_;
  const std::size_t size = element_count(shape);
  layout_.slices_.push_back({std::move(name), std::move(shape), role, offset, size});
  layout_.size_ += size;
  return offset;
}

std::shared_ptr<const Layout> Layout::Builder::build() const {
  auto layout = std::make_shared<Layout>(layout_);
  std::string description;
  for (const Slice& slice : layout->slices_)
    description += fmt::format("{}:{}:{};", slice.name, fmt::join(slice.shape, "x"), to_string(slice.role));
  layout->fingerprint_ = hash64(description);
  return layout;
}

SliceSet SliceSet::exchanged(const Layout& layout) {
  return {layout,
          [](const Slice& slice) { return slice.role == Role::trained || slice.role == Role::statistic; }};
}

void SliceSet::append(const Slice& slice) {
  const bool continues = !runs_.empty() && runs_.back().offset + runs_.back().size == slice.offset &&
                         runs_.back().role == slice.role;
  if (continues)
    runs_.back().size += slice.size;
  else
    runs_.push_back({slice.offset, slice.size, slice.role});
  size_ += slice.size;
}

bool SliceSet::contains(const Slice& slice) const {
  return std::any_of(runs_.begin(), runs_.end(), [&](const Run& run) {
    return slice.offset >= run.offset && slice.offset < run.offset + run.size;
  });
}

void SliceSet::gather(std::span<const float> full, std::span<float> packed) const {
  FEDLOOM_CHECK(packed.size() == size_, "{} floats for a choice of {}", packed.size(), size_);
  auto out = packed.begin();
  for (const Run& run : runs_)
    out = std::copy_n(full.begin() + static_cast<std::ptrdiff_t>(run.offset), run.size, out);
}

void SliceSet::scatter(std::span<const float> packed, std::span<float> full) const {
  FEDLOOM_CHECK(packed.size() == size_, "{} floats for a choice of {}", packed.size(), size_);
  auto in = packed.begin();
  for (const Run& run : runs_) {
    std::copy_n(in, run.size, full.begin() + static_cast<std::ptrdiff_t>(run.offset));
    in += static_cast<std::ptrdiff_t>(run.size);
  }
}

}  // namespace fedloom
