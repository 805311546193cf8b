// From example to segment by bisection, then a copy that widens bytes.
#include "datasets/character_windows.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace fedloom {

CharacterWindows::CharacterWindows(std::shared_ptr<const std::vector<std::uint8_t>> text,
                                   std::vector<TextSegment> segments, const WindowForm& form)
    : text_(std::move(text)),
      segments_(std::move(segments)),
      firsts_{0},
      length_(form.length),
      stride_(form.stride),
      spec_{{static_cast<std::int64_t>(form.length)}, form.characters, form.characters} {
  FEDLOOM_CHECK(length_ > 0 && stride_ > 0, "windows of {} characters, {} apart", length_, stride_);
  for (const TextSegment& segment : segments_) {
    FEDLOOM_CHECK(segment.begin <= segment.end && segment.end <= text_->size(), "segment {}..{} of {}",
                  segment.begin, segment.end, text_->size());
    const std::size_t n = segment.end - segment.begin;
    firsts_.push_back(firsts_.back() + (n > length_ ? (n - length_ - 1) / stride_ + 1 : 0));
  }
}

CharacterWindows::Place CharacterWindows::place(std::size_t i) const {
  FEDLOOM_CHECK(i < firsts_.back(), "example {} of {}", i, firsts_.back());
  const auto after = std::upper_bound(firsts_.begin(), firsts_.end(), i);
  const auto segment = static_cast<std::size_t>(after - firsts_.begin()) - 1;
  return {segment, segments_[segment].begin + (i - firsts_[segment]) * stride_};
}

void CharacterWindows::gather(std::span<const std::uint32_t> indices, float*, std::int32_t*) const {
  FEDLOOM_CHECK(false, "asked for the float features of {} examples of a store of tokens", indices.size());
}

void CharacterWindows::gather_tokens(std::span<const std::uint32_t> indices, std::int32_t* tokens,
                                     std::uint8_t* mask, std::int32_t* labels) const {
  std::fill_n(mask, indices.size() * length_, std::uint8_t{1});
  for (std::size_t row = 0; row < indices.size(); ++row, tokens += length_) {
    const std::uint8_t* window = text_->data() + place(indices[row]).begin;
    std::copy_n(window, length_, tokens);
    labels[row] = window[length_];
  }
}

std::size_t CharacterWindows::memory_bytes() const {
  return text_->size() + segments_.size() * sizeof(TextSegment) + firsts_.size() * sizeof(firsts_[0]);
}

}  // namespace fedloom
