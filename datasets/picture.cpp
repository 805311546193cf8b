// libpng's simplified reader; a mean over areas for the new size, one direction after the other.
#include "datasets/picture.hpp"

#include <png.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace fedloom {

namespace {

constexpr std::uint32_t kLongestSide = 16384;

struct Png {
  png_image image{};
  Png() { image.version = PNG_IMAGE_VERSION; }
  ~Png() { png_image_free(&image); }
  Png(const Png&) = delete;
  Png& operator=(const Png&) = delete;
};

// Which of `from` values make up one of `to`, and in what parts.
struct Share {
  std::size_t first = 0;
  std::vector<double> parts;  // sum to 1
};

std::vector<Share> shares(std::size_t from, std::size_t to) {
  const double step = static_cast<double>(from) / static_cast<double>(to);
  std::vector<Share> all(to);
  for (std::size_t i = 0; i < to; ++i) {
    const double begin = static_cast<double>(i) * step;
    const double end = std::min(static_cast<double>(i + 1) * step, static_cast<double>(from));
    all[i].first = static_cast<std::size_t>(begin);
    for (std::size_t k = all[i].first; k < from && static_cast<double>(k) < end; ++k) {
      const double covered =
          std::min(static_cast<double>(k + 1), end) - std::max(static_cast<double>(k), begin);
      all[i].parts.push_back(covered / (end - begin));
    }
  }
  return all;
}

}  // namespace

Picture decode_png(std::span<const std::uint8_t> png, std::size_t channels, const std::string& name,
                   const std::optional<PictureSize>& expected) {
  Png reader;
  if (png_image_begin_read_from_memory(&reader.image, png.data(), png.size()) == 0)
    throw user_error("{}: is not a readable PNG: {}", name, reader.image.message);
  if (expected && (reader.image.width != expected->width || reader.image.height != expected->height))
    throw user_error("{}: the picture is {} x {}, expected {} x {}", name, reader.image.width,
                     reader.image.height, expected->width, expected->height);
  if (std::max(reader.image.width, reader.image.height) > kLongestSide)
    throw user_error("{}: the picture is {} x {}; at most {} on a side", name, reader.image.width,
                     reader.image.height, kLongestSide);
  reader.image.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  Picture picture{reader.image.width, reader.image.height, channels, {}};
  picture.pixels.resize(picture.width * picture.height * channels);
  if (png_image_finish_read(&reader.image, nullptr, picture.pixels.data(), 0, nullptr) == 0)
    throw user_error("{}: the PNG is damaged: {}", name, reader.image.message);
  return picture;
}

std::vector<std::uint8_t> planes(const Picture& picture, std::size_t height, std::size_t width) {
  const std::vector<Share> across = shares(picture.width, width);
  const std::vector<Share> down = shares(picture.height, height);
  std::vector<std::uint8_t> out(picture.channels * height * width);
  std::vector<double> narrow(picture.height * width);
  for (std::size_t channel = 0; channel < picture.channels; ++channel) {
    for (std::size_t y = 0; y < picture.height; ++y) {
      const std::uint8_t* row = picture.pixels.data() + y * picture.width * picture.channels + channel;
      for (std::size_t x = 0; x < width; ++x) {
        double sum = 0.0;
        for (std::size_t k = 0; k < across[x].parts.size(); ++k)
          sum += across[x].parts[k] * row[(across[x].first + k) * picture.channels];
        narrow[y * width + x] = sum;
      }
    }
    for (std::size_t y = 0; y < height; ++y)
      for (std::size_t x = 0; x < width; ++x) {
        double sum = 0.0;
        for (std::size_t k = 0; k < down[y].parts.size(); ++k)
          sum += down[y].parts[k] * narrow[(down[y].first + k) * width + x];
        out[(channel * height + y) * width + x] =
            static_cast<std::uint8_t>(std::clamp(std::lround(sum), 0L, 255L));
      }
  }
  return out;
}

}  // namespace fedloom
