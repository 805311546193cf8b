// Reordering goes row by row through a copy of the row.
#include "datasets/altered_examples.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace fedloom {

AlteredExamples::AlteredExamples(std::shared_ptr<const Examples> store, DataSpec spec,
                                 std::vector<std::uint32_t> order, std::vector<std::int32_t> labels)
    : store_(std::move(store)), spec_(std::move(spec)), order_(std::move(order)), labels_(std::move(labels)) {
  const auto width = static_cast<std::size_t>(store_->spec().width());
  FEDLOOM_CHECK(order_.empty() || (order_.size() == width && store_->spec().vocabulary == 0),
                "an order of {} for rows of {}", order_.size(), width);
  FEDLOOM_CHECK(labels_.empty() || labels_.size() == static_cast<std::size_t>(store_->spec().classes),
                "{} new labels for {} classes", labels_.size(), store_->spec().classes);
}

void AlteredExamples::gather(std::span<const std::uint32_t> indices, float* features,
                             std::int32_t* labels) const {
  store_->gather(indices, features, labels);
  for (std::size_t i = 0; i < indices.size(); ++i) labels[i] = renumbered(labels[i]);
  if (order_.empty()) return;
  const std::size_t width = order_.size();
  std::vector<float> row(width);
  for (std::size_t i = 0; i < indices.size(); ++i, features += width) {
    std::copy_n(features, width, row.begin());
    for (std::size_t j = 0; j < width; ++j) features[j] = row[order_[j]];
  }
}

void AlteredExamples::gather_tokens(std::span<const std::uint32_t> indices, std::int32_t* tokens,
                                    std::uint8_t* mask, std::int32_t* labels) const {
  store_->gather_tokens(indices, tokens, mask, labels);
  for (std::size_t i = 0; i < indices.size(); ++i) labels[i] = renumbered(labels[i]);
}

}  // namespace fedloom
