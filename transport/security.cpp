// libzmq makes keys in Z85, whose letters mean something to YAML files and shells; here they are hexadecimal
// digits.
#include "transport/security.hpp"

#include <array>
#include <charconv>

#include <zmq.h>

#include "core/error.hpp"

namespace fedloom {

namespace {

constexpr std::size_t kBytes = 32;
constexpr std::size_t kDigits = 2 * kBytes;
constexpr std::size_t kZ85 = 40;

std::string from_z85(const char* text) {
  std::string bytes(kBytes, '\0');
  zmq_z85_decode(reinterpret_cast<std::uint8_t*>(bytes.data()), text);
  return key_text(bytes);
}

}  // namespace

std::string key_text(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<std::uint8_t>(byte));
  return text;
}

std::string key_bytes(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    std::uint8_t byte = 0;
    std::from_chars(text.data() + i, text.data() + i + 2, byte, 16);
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

KeyPair make_key_pair() {
  std::array<char, kZ85 + 1> public_key{};
  std::array<char, kZ85 + 1> secret_key{};
  if (zmq_curve_keypair(public_key.data(), secret_key.data()) != 0)
    throw user_error("keys cannot be made: this libzmq was built without CURVE (libsodium)");
  return {from_z85(public_key.data()), from_z85(secret_key.data())};
}

std::string public_key_of(const std::string& secret_key) {
  if (!is_key(secret_key))
    throw user_error("not a secret key: it has 64 hexadecimal digits, as `fedloom keygen` writes them");
  const std::string bytes = key_bytes(secret_key);
  std::array<char, kZ85 + 1> secret{};
  std::array<char, kZ85 + 1> public_key{};
  zmq_z85_encode(secret.data(), reinterpret_cast<const std::uint8_t*>(bytes.data()), kBytes);
  if (zmq_curve_public(public_key.data(), secret.data()) != 0)
    throw user_error("keys cannot be used: this libzmq was built without CURVE (libsodium)");
  return from_z85(public_key.data());
}

bool is_key(std::string_view text) {
  return text.size() == kDigits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace fedloom
