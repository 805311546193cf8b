// A search over offsets for each example; the stores do the work.
#include "datasets/joined_examples.hpp"

#include <algorithm>
#include <limits>

#include "core/error.hpp"

namespace fedloom {

JoinedExamples::JoinedExamples(std::vector<std::shared_ptr<const Examples>> stores)
    : stores_(std::move(stores)), offsets_{0} {
  FEDLOOM_CHECK(!stores_.empty(), "nothing to join");
  for (const auto& store : stores_) {
    FEDLOOM_CHECK(store->spec() == stores_.front()->spec(), "stores of different forms");
    const std::size_t end = offsets_.back() + store->size();
    if (end > std::numeric_limits<std::uint32_t>::max())
      throw user_error("the data sets together have more examples than the {} that can be numbered",
                       std::numeric_limits<std::uint32_t>::max());
    offsets_.push_back(static_cast<std::uint32_t>(end));
  }
}

JoinedExamples::Place JoinedExamples::place(std::size_t i) const {
  FEDLOOM_CHECK(i < size(), "example {} of {}", i, size());
  const auto after = std::upper_bound(offsets_.begin(), offsets_.end(), static_cast<std::uint32_t>(i));
  const auto store = static_cast<std::size_t>(after - offsets_.begin()) - 1;
  return {*stores_[store], static_cast<std::uint32_t>(i) - offsets_[store]};
}

std::int32_t JoinedExamples::label(std::size_t i) const {
  const Place at = place(i);
  return at.store.label(at.index);
}

std::optional<std::uint32_t> JoinedExamples::group(std::size_t i) const {
  const Place at = place(i);
  return at.store.group(at.index);
}

bool JoinedExamples::holds(std::size_t i) const {
  const Place at = place(i);
  return at.store.holds(at.index);
}

void JoinedExamples::gather(std::span<const std::uint32_t> indices, float* features,
                            std::int32_t* labels) const {
  const auto width = static_cast<std::size_t>(spec().width());
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const Place at = place(indices[i]);
    at.store.gather({&at.index, 1}, features + i * width, labels + i);
  }
}

void JoinedExamples::gather_tokens(std::span<const std::uint32_t> indices, std::int32_t* tokens,
                                   std::uint8_t* mask, std::int32_t* labels) const {
  const auto width = static_cast<std::size_t>(spec().width());
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const Place at = place(indices[i]);
    at.store.gather_tokens({&at.index, 1}, tokens + i * width, mask + i * width, labels + i);
  }
}

void JoinedExamples::gather_masked(std::span<const std::uint32_t> indices, Random* draws,
                                   const MaskedRows& rows) const {
  const auto width = static_cast<std::size_t>(spec().width());
  const auto predictions = static_cast<std::size_t>(spec().predictions);
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const Place at = place(indices[i]);
    at.store.gather_masked({&at.index, 1}, draws,
                           {rows.tokens + i * width, rows.mask + i * width, rows.places + i * predictions,
                            rows.targets + i * predictions});
  }
}

std::size_t JoinedExamples::memory_bytes() const {
  std::size_t bytes = offsets_.size() * sizeof(offsets_[0]);
  for (const auto& store : stores_) bytes += store->memory_bytes();
  return bytes;
}

}  // namespace fedloom
