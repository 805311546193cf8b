// libpng's simplified reader, then interleaved pixels to planes.
#include "datasets/picture_sheet.hpp"

#include <png.h>

#include "core/error.hpp"

namespace fedloom {

namespace {

struct Picture {
  png_image image{};
  Picture() { image.version = PNG_IMAGE_VERSION; }
  ~Picture() { png_image_free(&image); }
  Picture(const Picture&) = delete;
  Picture& operator=(const Picture&) = delete;
};

std::vector<std::uint8_t> decode_rgb(std::span<const std::uint8_t> png, std::size_t width, std::size_t height,
                                     const std::string& name) {
  Picture picture;
  if (png_image_begin_read_from_memory(&picture.image, png.data(), png.size()) == 0)
    throw user_error("{}: is not a readable PNG: {}", name, picture.image.message);
  if (picture.image.width != width || picture.image.height != height)
    throw user_error("{}: the picture is {} x {}, expected {} x {}", name, picture.image.width,
                     picture.image.height, width, height);
  picture.image.format = PNG_FORMAT_RGB;
  std::vector<std::uint8_t> pixels(width * height * 3);
  if (png_image_finish_read(&picture.image, nullptr, pixels.data(), 0, nullptr) == 0)
    throw user_error("{}: the PNG is damaged: {}", name, picture.image.message);
  return pixels;
}

}  // namespace

std::vector<std::uint8_t> sheet_to_records(std::span<const std::uint8_t> sheet,
                                           std::span<const std::uint8_t> labels, std::size_t pixels,
                                           const std::string& name) {
  const auto rgb = decode_rgb(sheet, pixels, labels.size(), name);
  std::vector<std::uint8_t> records;
  records.reserve(labels.size() * (1 + 3 * pixels));
  for (std::size_t row = 0; row < labels.size(); ++row) {
    records.push_back(labels[row]);
    const std::uint8_t* picture = rgb.data() + row * pixels * 3;
    for (std::size_t channel = 0; channel < 3; ++channel)
      for (std::size_t p = 0; p < pixels; ++p) records.push_back(picture[3 * p + channel]);
  }
  return records;
}

}  // namespace fedloom
