// Rows of a picture to records: interleaved pixels to planes.
// How a PNG is read is picture.hpp.
#include "datasets/picture_sheet.hpp"

#include "datasets/picture.hpp"

namespace fedloom {

std::vector<std::uint8_t> sheet_to_records(std::span<const std::uint8_t> sheet,
                                           std::span<const std::uint8_t> labels, std::size_t pixels,
                                           const std::string& name) {
  const Picture rgb = decode_png(sheet, 3, name, PictureSize{pixels, labels.size()});
  std::vector<std::uint8_t> records;
  records.reserve(labels.size() * (1 + 3 * pixels));
  for (std::size_t row = 0; row < labels.size(); ++row) {
    records.push_back(labels[row]);
    const std::uint8_t* picture = rgb.pixels.data() + row * pixels * 3;
    for (std::size_t channel = 0; channel < 3; ++channel)
      for (std::size_t p = 0; p < pixels; ++p) records.push_back(picture[3 * p + channel]);
  }
  return records;
}

}  // namespace fedloom
