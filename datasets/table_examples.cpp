// Copying rows out of a float table.
#include "datasets/table_examples.hpp"

#include <cstring>
#include <numeric>

#include "core/error.hpp"

namespace fedloom {

TableExamples::TableExamples(DataSpec spec, FloatBuffer features, std::vector<std::int32_t> labels,
                             std::vector<std::uint32_t> groups)
    : spec_(std::move(spec)),
      width_(static_cast<std::size_t>(spec_.width())),
      features_(std::move(features)),
      labels_(std::move(labels)),
      groups_(std::move(groups)) {
  FEDLOOM_CHECK(features_.size() == labels_.size() * width_, "{} floats for {} rows of {}", features_.size(),
                labels_.size(), width_);
  FEDLOOM_CHECK(groups_.empty() || groups_.size() == labels_.size(), "{} groups for {} rows", groups_.size(),
                labels_.size());
}

void TableExamples::gather(std::span<const std::uint32_t> indices, float* features,
                           std::int32_t* labels) const {
  for (std::size_t row = 0; row < indices.size(); ++row) {
    const std::size_t i = indices[row];
    FEDLOOM_CHECK(i < labels_.size(), "example {} of {}", i, labels_.size());
    std::memcpy(features + row * width_, features_.data() + i * width_, width_ * sizeof(float));
    labels[row] = labels_[i];
  }
}

std::optional<std::uint32_t> TableExamples::group(std::size_t i) const {
  if (groups_.empty()) return std::nullopt;
  return groups_[i];
}

std::size_t TableExamples::memory_bytes() const {
  return features_.size() * sizeof(float) + (labels_.size() + groups_.size()) * 4;
}

ExampleView whole(std::shared_ptr<const Examples> examples) {
  ExampleView view{std::move(examples), {}};
  view.indices.resize(view.examples->size());
  std::iota(view.indices.begin(), view.indices.end(), std::uint32_t{0});
  return view;
}

}  // namespace fedloom
