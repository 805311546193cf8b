// One picture of any size from a PNG file, and the same picture in the form of examples: planes of another
// size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace fedloom {

struct Picture {
  std::size_t width = 0;
  std::size_t height = 0;
  std::size_t channels = 0;          // 1: grey, 3: RGB
  std::vector<std::uint8_t> pixels;  // (height, width, channels)
};

struct PictureSize {
  std::size_t width = 0;
  std::size_t height = 0;
};

/// Any PNG of at most 16384 x 16384, or of the `expected` size alone, as grey or RGB of 8 bits; what is
/// transparent lies on black. Throws UserError (naming `name`) when it is no PNG, has another size or is
/// damaged.
Picture decode_png(std::span<const std::uint8_t> png, std::size_t channels, const std::string& name,
                   const std::optional<PictureSize>& expected = std::nullopt);

/// (channels, height, width): every value is the mean of the picture over the area that it covers, so that a
/// picture of this size stays as it is. The proportions follow the new size.
std::vector<std::uint8_t> planes(const Picture& picture, std::size_t height, std::size_t width);

}  // namespace fedloom
