// Rows of tokens end to end; padding is written on the way out.
#include "datasets/token_examples.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace fedloom {

TokenExamples::TokenExamples(DataSpec spec, std::vector<std::uint32_t> groups)
    : spec_(std::move(spec)), length_(static_cast<std::size_t>(spec_.width())), groups_(std::move(groups)) {
  FEDLOOM_CHECK(spec_.shape.size() == 1 && spec_.vocabulary > 0, "tokens of {} dimensions, vocabulary {}",
                spec_.shape.size(), spec_.vocabulary);
}

void TokenExamples::add(std::span<const std::int32_t> tokens, std::int32_t label) {
  FEDLOOM_CHECK(tokens.size() <= length_, "{} tokens in a row of {}", tokens.size(), length_);
  for (const std::int32_t token : tokens)
    FEDLOOM_CHECK(token >= 0 && token < spec_.vocabulary, "token {} of {}", token, spec_.vocabulary);
  FEDLOOM_CHECK(label >= 0 && label < spec_.classes, "label {} of {}", label, spec_.classes);
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  begins_.push_back(tokens_.size());
  labels_.push_back(label);
}

void TokenExamples::gather(std::span<const std::uint32_t> indices, float*, std::int32_t*) const {
  FEDLOOM_CHECK(false, "asked for the float features of {} examples of a store of tokens", indices.size());
}

void TokenExamples::gather_tokens(std::span<const std::uint32_t> indices, std::int32_t* tokens,
                                  std::uint8_t* mask, std::int32_t* labels) const {
  for (std::size_t row = 0; row < indices.size(); ++row, tokens += length_, mask += length_) {
    const std::size_t i = indices[row];
    FEDLOOM_CHECK(i < labels_.size(), "example {} of {}", i, labels_.size());
    const std::size_t count = begins_[i + 1] - begins_[i];
    std::copy_n(tokens_.data() + begins_[i], count, tokens);
    std::fill_n(tokens + count, length_ - count, 0);
    std::fill_n(mask, count, std::uint8_t{1});
    std::fill_n(mask + count, length_ - count, std::uint8_t{0});
    labels[row] = labels_[i];
  }
}

std::optional<std::uint32_t> TokenExamples::group(std::size_t i) const {
  if (groups_.empty()) return std::nullopt;
  return groups_[i];
}

std::size_t TokenExamples::memory_bytes() const {
  return (tokens_.size() + labels_.size() + groups_.size()) * 4 + begins_.size() * sizeof(begins_[0]);
}

}  // namespace fedloom
