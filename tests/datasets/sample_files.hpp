// Makers of small data files for the tests of this folder: packers, IDX arrays, tar archives, and a folder
// that goes away.
#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <lzma.h>
#include <png.h>

#include "core/error.hpp"
#include "datasets/file_store.hpp"

namespace fedloom::samples {

using Bytes = std::vector<std::uint8_t>;

inline Bytes bytes(const std::string& text) { return {text.begin(), text.end()}; }
inline std::span<const std::byte> view(const Bytes& content) { return std::as_bytes(std::span(content)); }
inline std::span<const std::byte> view(const std::string& content) {
  return std::as_bytes(std::span(content));
}

/// xz, with a delta filter in front when asked for (as picture sets are often packed).
inline Bytes xz(const Bytes& content, bool delta = false) {
  lzma_options_lzma lzma{};
  lzma_lzma_preset(&lzma, 6);
  lzma_options_delta distance{};
  distance.type = LZMA_DELTA_TYPE_BYTE;
  distance.dist = 1;
  lzma_filter filters[3] = {
      {LZMA_FILTER_DELTA, &distance}, {LZMA_FILTER_LZMA2, &lzma}, {LZMA_VLI_UNKNOWN, nullptr}};
  Bytes packed(lzma_stream_buffer_bound(content.size()));
  std::size_t size = 0;
  EXPECT_EQ(lzma_stream_buffer_encode(delta ? filters : filters + 1, LZMA_CHECK_CRC64, nullptr,
                                      content.data(), content.size(), packed.data(), &size, packed.size()),
            LZMA_OK);
  packed.resize(size);
  return packed;
}

inline Bytes idx(const std::vector<std::uint32_t>& sizes, const Bytes& values, std::uint8_t type = 0x08) {
  Bytes file{0, 0, type, static_cast<std::uint8_t>(sizes.size())};
  for (const std::uint32_t size : sizes)
    for (int shift = 24; shift >= 0; shift -= 8) file.push_back(static_cast<std::uint8_t>(size >> shift));
  file.insert(file.end(), values.begin(), values.end());
  return file;
}

/// (height, width, 3)
inline Bytes png_of(const Bytes& rgb, std::uint32_t width, std::uint32_t height) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = width;
  image.height = height;
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = 0;
  png_image_write_to_memory(&image, nullptr, &size, 0, rgb.data(), 0, nullptr);
  Bytes png(size);
  png_image_write_to_memory(&image, png.data(), &size, 0, rgb.data(), 0, nullptr);
  png.resize(size);
  return png;
}

inline Bytes tar_member(const std::string& name, const Bytes& content, char type = '0') {
  Bytes block(512, 0);
  const auto put = [&](std::size_t at, const std::string& text) {
    std::copy(text.begin(), text.end(), block.begin() + static_cast<std::ptrdiff_t>(at));
  };
  put(0, name);
  put(124, fmt::format("{:011o}", content.size()));
  put(148, "        ");
  block[156] = static_cast<std::uint8_t>(type);
  put(257, std::string("ustar\0", 6));
  std::uint64_t sum = 0;
  for (const std::uint8_t b : block) sum += b;
  put(148, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  block.insert(block.end(), content.begin(), content.end());
  block.resize((block.size() + 511) / 512 * 512, 0);
  return block;
}

inline Bytes joined(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

/// A folder of its own for each test.
class Folder {
 public:
  Folder() : folder_(::testing::TempDir()) {}
  const std::string& path() const { return folder_.path(); }
  std::string write(const std::string& name, const Bytes& content) const {
    const std::string file = path() + "/" + name;
    std::ofstream stream(file, std::ios::binary);
    stream.write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
    EXPECT_TRUE(stream.good()) << file;
    return file;
  }
  std::string write(const std::string& name, const std::string& text) const {
    return write(name, bytes(text));
  }

 private:
  TemporaryFolder folder_;
};

/// The text of the UserError that `run` throws; "no error" when it throws none.
inline std::string error_of(const std::function<void()>& run) {
  try {
    run();
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace fedloom::samples
