// The next-character task: windows of `length` characters, each labelled with the character that follows it.
// Windows overlap, so they are views into one text of a byte a character: an example costs no memory.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "datasets/examples.hpp"

namespace fedloom {

/// Where one speaker's windows may lie: characters begin .. end-1 of the text, window and target both.
struct TextSegment {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  std::uint32_t group = 0;
};

struct WindowForm {
  std::size_t length = 80;      // characters of a window, above 0
  std::size_t stride = 1;       // from one window of a segment to the next, above 0
  std::int64_t characters = 0;  // that there are: vocabulary and number of classes
};

class CharacterWindows final : public Examples {
 public:
  /// `text`: numbers in [0, characters). A segment of n characters has floor((n - length - 1) / stride) + 1
  /// windows, none where n <= length; examples are in the order of segments.
  CharacterWindows(std::shared_ptr<const std::vector<std::uint8_t>> text, std::vector<TextSegment> segments,
                   const WindowForm& form);

  const DataSpec& spec() const override { return spec_; }
  std::size_t size() const override { return firsts_.back(); }
  std::int32_t label(std::size_t i) const override { return (*text_)[place(i).begin + length_]; }
  void gather(std::span<const std::uint32_t> indices, float* features, std::int32_t* labels) const override;
  /// Windows are always full: the mask is 1 throughout.
  void gather_tokens(std::span<const std::uint32_t> indices, std::int32_t* tokens, std::uint8_t* mask,
                     std::int32_t* labels) const override;
  std::optional<std::uint32_t> group(std::size_t i) const override {
    return segments_[place(i).segment].group;
  }
  std::size_t memory_bytes() const override;

 private:
  struct Place {
    std::size_t segment;
    std::size_t begin;  // of the window, in the text
  };
  Place place(std::size_t i) const;

  std::shared_ptr<const std::vector<std::uint8_t>> text_;
  std::vector<TextSegment> segments_;
  std::vector<std::size_t> firsts_;  // (segments + 1), the first example of each
  std::size_t length_;
  std::size_t stride_;
  DataSpec spec_;
};

}  // namespace fedloom
