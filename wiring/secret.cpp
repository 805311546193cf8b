// Sixteen hexadecimal digits in a file.
#include "wiring/secret.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <random>

#include "core/error.hpp"
#include "core/file.hpp"

namespace fedloom {

std::uint64_t kept_secret(const std::string& file) {
  namespace fs = std::filesystem;
  if (!fs::exists(file)) {
    std::random_device entropy;
    const std::uint64_t fresh = (std::uint64_t{entropy()} << 32U) | entropy();
    if (const fs::path folder = fs::path(file).parent_path(); !folder.empty()) fs::create_directories(folder);
    write_file_atomically(file, fmt::format("{:016x}\n", fresh), true, 0600);
  }
  const std::string text = read_file(file);
  std::uint64_t secret = 0;
  const char* const end = text.data() + std::min<std::size_t>(text.size(), 16);
  if (text.size() < 16 || std::from_chars(text.data(), end, secret, 16).ptr != end)
    throw user_error("{}: expected a secret of 16 hexadecimal digits; remove the file for a new one", file);
  return secret;
}

}  // namespace fedloom
