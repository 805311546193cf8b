// Blocks of 512 bytes: a header with octal numbers, then the content padded to a whole block.
#include "datasets/tar.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string_view>

#include "core/error.hpp"

namespace fedloom {

namespace {

constexpr std::size_t kBlock = 512;
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 30;
using Block = std::array<char, kBlock>;

std::string_view field(const Block& block, std::size_t start, std::size_t size) {
  std::string_view text(block.data() + start, size);
  return text.substr(0, text.find('\0'));
}

std::uint64_t octal(const Block& block, std::size_t start, std::size_t size, const std::string& archive) {
  std::string_view text = field(block, start, size);
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size())
    throw user_error("{}: is not a tar archive, or it is damaged: '{}' is no octal number", archive, text);
  return value;
}

bool all_zero(const Block& block) {
  return std::all_of(block.begin(), block.end(), [](char c) { return c == '\0'; });
}

void check_sum(const Block& block, const std::string& archive) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kBlock; ++i)
    sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(block[i]);
  if (sum != octal(block, 148, 8, archive))
    throw user_error("{}: is not a tar archive, or it is damaged: a header's checksum is wrong", archive);
}

}  // namespace

void for_each_tar_file(ByteSource& archive, const std::function<bool(const std::string&)>& wanted,
                       const std::function<void(const std::string&, std::vector<std::uint8_t>)>& receive) {
  Block block{};
  while (!archive.at_end()) {
    archive.read_exactly(std::as_writable_bytes(std::span(block)), "a tar header");
    if (all_zero(block)) return;
    check_sum(block, archive.name());
    const std::uint64_t size = octal(block, 124, 12, archive.name());
    if (size > kMostBytes)
      throw user_error("{}: holds a file of {} bytes; at most 1 GiB is read", archive.name(), size);
    const std::string_view prefix =
        std::memcmp(block.data() + 257, "ustar\0", 6) == 0 ? field(block, 345, 155) : "";
    std::string name(field(block, 0, 100));
    if (!prefix.empty()) name = fmt::format("{}/{}", prefix, name);
    const bool regular = block[156] == '0' || block[156] == '\0';
    std::vector<std::uint8_t> content;
    archive.append(content, (size + kBlock - 1) / kBlock * kBlock, "a file in the tar archive");
    content.resize(size);
    if (regular && wanted(name)) receive(name, std::move(content));
  }
}

}  // namespace fedloom
