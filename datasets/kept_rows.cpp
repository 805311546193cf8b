// Sorting of the choice, and the walk along a stream.
#include "datasets/kept_rows.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace fedloom {

KeptRows KeptRows::of(std::vector<std::uint32_t> rows) {
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  return {Choice::listed, std::move(rows)};
}

RowSieve::RowSieve(KeptRows keep, std::size_t width) : keep_(std::move(keep)), width_(width) {
  FEDLOOM_CHECK(width > 0, "rows of {} bytes", width);
}

void RowSieve::take(std::span<const std::uint8_t> bytes) {
  if (keep_.is_all()) return store(bytes);
  const auto& rows = keep_.listed();
  while (!bytes.empty() && next_ < rows.size()) {
    const std::uint64_t begin = rows[next_] * width_;
    const bool before = position_ < begin;
    const std::uint64_t until = before ? begin : begin + width_;
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), until - position_));
    if (!before) store(bytes.first(count));
    bytes = bytes.subspan(count);
    position_ += count;
    if (!before && position_ == until) ++next_;
  }
}

void RowSieve::store(std::span<const std::uint8_t> bytes) {
  // The width may be a header's lie, so room for everything is made once a good part of it has come.
  const std::uint64_t promised = keep_.listed().size() * width_;
  if (kept_.size() >= promised / 16) kept_.reserve(static_cast<std::size_t>(promised));
  kept_.insert(kept_.end(), bytes.begin(), bytes.end());
}

}  // namespace fedloom
