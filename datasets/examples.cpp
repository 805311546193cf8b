// The default answers of a store without tokens, and what is asked of a whole view.
#include "datasets/examples.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace fedloom {

void Examples::gather_tokens(std::span<const std::uint32_t> indices, std::int32_t*, std::uint8_t*,
                             std::int32_t*) const {
  FEDLOOM_CHECK(false, "asked for the tokens of {} examples of a store of float features", indices.size());
}

void Examples::gather_masked(std::span<const std::uint32_t> indices, Random*, const MaskedRows&) const {
  FEDLOOM_CHECK(false, "asked for hidden tokens of {} examples of a store that hides none", indices.size());
}

bool ExampleView::held() const {
  return std::all_of(indices.begin(), indices.end(), [&](std::uint32_t i) { return examples->holds(i); });
}

const FederatedData& FederatedData::stage(std::size_t number) const {
  FEDLOOM_CHECK(number == 0, "stage {} of data that comes all at once", number);
  return *this;
}

}  // namespace fedloom
